/** The shape of a command's JSON, as a contract keeps it. */
import { expect } from "vitest";

import type { Workbench } from "./cli.ts";

/** Keys and types; of a list the shapes that occur in it. Keys that are data themselves (checksums by name…) do not occur. */
export function shapeOf(value: unknown): unknown {
  if (value === null) return "null";
  if (Array.isArray(value)) return [...new Map(value.map((item) => [JSON.stringify(shapeOf(item)), shapeOf(item)])).values()];
  if (typeof value !== "object") return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shapeOf(inner)]));
}

/** Runs commands with --json, each to the exit code that it must have, and keeps the shapes of their answers by title. */
export function shapesOf(bench: Pick<Workbench, "run">): { readonly shapes: Record<string, unknown>; readonly run: (title: string, code: number, ...args: string[]) => Promise<unknown> } {
  const shapes: Record<string, unknown> = {};
  return {
    shapes,
    run: async (title, code, ...args) => {
      const outcome = await bench.run(...args, "--json");
      expect(outcome.code, `${title}: ${outcome.stdout}${outcome.stderr}`).toBe(code);
      const answer = outcome.json<unknown>();
      shapes[title] = shapeOf(answer);
      return answer;
    },
  };
}
