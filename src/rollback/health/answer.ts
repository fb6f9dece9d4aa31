/** What an answer of a health check says, by the configured paths; of everything else in it nothing is kept. */
import type { HealthSettings } from "../../config/rollback-settings.ts";
import { redact } from "../../process/redact.ts";
import { printable } from "../../text/format.ts";
import type { Health } from "./health.ts";

const longestValue = 60;

/**
 * Judges one answer. Every expected value must stand at its path, with its type; one that names `{release}` is
 * compared only where the release is known.
 * @param body - undefined if it was longer than what is read
 */
export function judgeAnswer({ status, expect, versionPath }: HealthSettings, answered: number, body: string | undefined, release: string | undefined): Pick<Health, "healthy" | "detail" | "version"> {
  const json = parse(body);
  const version = versionPath === undefined ? undefined : valueAt(json, versionPath);
  const told = { version: typeof version === "string" || typeof version === "number" ? shown(version) : null };
  if (answered !== status) return { healthy: false, detail: `status ${answered}, but must be ${status}`, ...told };
  const expected = Object.entries(expect);
  if (expected.length > 0 && json === undefined) return { healthy: false, detail: `status ${answered}, with a body that ${body === undefined ? "is longer than 1 MiB" : "is not JSON"}`, ...told };
  const found = expected.map(([path, wanted]) => compare(path, valueAt(json, path), wanted, release));
  return { healthy: found.every(({ right }) => right), detail: [`status ${answered}`, ...found.map(({ said }) => said)].join(", "), ...told };
}

function compare(path: string, value: unknown, wanted: string | number | boolean, release: string | undefined): { readonly right: boolean; readonly said: string } {
  if (typeof wanted === "string" && wanted.includes("{release}") && release === undefined) return { right: true, said: `${path}=${shown(value)}, which was not compared` };
  const must = typeof wanted === "string" ? wanted.replaceAll("{release}", () => release ?? "") : wanted;
  if (value === must) return { right: true, said: `${path}=${shown(value)}` };
  const isOnlyItsType = value !== undefined && shown(value) === shown(must);
  return { right: false, said: `${value === undefined ? `${path} is missing` : `${path}=${shown(value)}`}, but must be ${isOnlyItsType ? `a ${typeof must}` : shown(must)}` };
}

function parse(body: string | undefined): unknown {
  try {
    return JSON.parse(body ?? "");
  } catch {
    return undefined;
  }
}

/** What stands at a path in dots: names of objects, indices of lists. */
export function valueAt(json: unknown, path: string): unknown {
  let value = json;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

/** Short and on one line; what holds more than one value is named, not shown. */
function shown(value: unknown): string {
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return value === undefined ? "missing" : Array.isArray(value) ? "a list" : "an object";
  const line = redact(printable(value)).replace(/\s+/g, " ").trim();
  return line.length <= longestValue ? line : `${line.slice(0, longestValue - 1).toWellFormed()}…`;
}
