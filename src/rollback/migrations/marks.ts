/** What a person says of a migration in a comment of its file: `-- holdfast: backward-compatible REASON`. It wins over what is detected. */
import { statementsOf } from "../../postgres/statements.ts";
import { type Effect, compatible, incompatible, unknown } from "./effect.ts";
import type { Migration } from "./migration.ts";

const words = { "backward-compatible": compatible, incompatible } as const;
const mark = /^\s*(?:--|\/\/|#)\s*holdfast\s*:\s*(?<word>\S*)\s*(?<reason>.*?)\s*$/i;

/** The mark of a migration; undefined without one. One that nobody can understand counts as unknown, rather than as absent. */
export function markOf(migration: Migration): Effect | undefined {
  const found = commentsOf(migration).flatMap((line) => {
    const { word, reason } = mark.exec(line)?.groups ?? {};
    return word === undefined ? [] : [read(word.toLowerCase(), reason ?? "")];
  });
  // Of two that contradict each other the careful one counts.
  return found.find(({ verdict }) => verdict === "incompatible") ?? found.find(({ verdict }) => verdict === "unknown") ?? found[0];
}

function read(word: string, reason: string): Effect {
  if (!Object.hasOwn(words, word)) return unknown(`its mark says ${JSON.stringify(word)}, but must be backward-compatible or incompatible, and a reason`);
  if (reason === "") return unknown(`its mark ${word} gives no reason`);
  return words[word as keyof typeof words](`marked ${word}: ${reason}`);
}

/** Lines that are comments to the end: what stands in a string or in a comment of several lines is none. */
function commentsOf({ text, isSql }: Migration): string[] {
  if (!isSql) return text.split("\n");
  const spaces = statementsOf(text).flat().filter(({ kind }) => kind === "space");
  return spaces.flatMap((token) => token.text.match(/--[^\n]*|\/\*[\s\S]*?\*\//g) ?? []).filter((comment) => comment.startsWith("--"));
}
