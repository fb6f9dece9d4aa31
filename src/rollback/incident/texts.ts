/** The texts of an incident: no secret in them, and none so long that the record could not be read. */
import { redact } from "../../process/redact.ts";

/** Characters of each text; of what has no limit of its own, {@link longest}. */
export const limits: Readonly<Record<string, number>> = { severity: 40, title: 200, text: 4_000, resolution: 4_000, message: 2_000, detail: 1_000 };
const longest = 1_000;
/** More would be no summary. */
const mostItems = 500;

/** Ids and words of a fixed list: a password that happens to be the database's name must not make them unreadable. */
const names: ReadonlySet<string> = new Set(["incident", "database", "at", "kind", "rollback", "runbook", "step", "outcome", "when", "strategy", "checkpoint", "backup", "snapshotAt", "table", "by"]);

/** A record whose texts, wherever they stand in it, are redacted and cut. */
export function limited<T>(value: T, name = ""): T {
  return limit(value, name) as T;
}

function limit(value: unknown, name: string): unknown {
  if (names.has(name) && typeof value === "string") return value;
  if (typeof value === "string") return cut(redact(value).toWellFormed(), limits[name] ?? longest);
  if (Array.isArray(value)) return value.slice(0, mostItems).map((item) => limit(item, name));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, limit(item, key)]));
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
