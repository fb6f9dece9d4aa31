/** What the schema found wrong, as sentences that name the place, the value seen and the rule. */
import type * as z from "zod";

import { redact } from "../process/redact.ts";
import { fieldAt, fields, keysAt } from "./fields.ts";
import { nearest } from "./nearest.ts";

const shownLength = 60;

/** `databases.ehr`, `recipients[0]`. */
function placeOf(path: readonly PropertyKey[]): string {
  return path.map((key, at) => (typeof key === "number" ? `[${key}]` : `${at === 0 ? "" : "."}${String(key)}`)).join("");
}

/** The variable's name where the value came from one, else the place in the file. */
function nameOf(path: readonly PropertyKey[], origins: ReadonlyMap<string, string>): string {
  const variable = [path, path.slice(0, -1)].map((keys) => origins.get(keys.map(String).join("."))).find((origin) => origin !== undefined && origin !== "file");
  return variable ?? placeOf(path);
}

/** A value as it may be quoted: never a secret, never more than a line. */
function seen(value: unknown, path: readonly PropertyKey[]): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  const field = fieldAt(path);
  if (field === undefined || field.secret !== undefined) return typeof value === "string" ? "a text" : `a ${typeof value}`;
  const text = redact(JSON.stringify(value));
  return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
}

function unknownKey(key: string, path: readonly PropertyKey[]): string {
  const where = path.length === 0 ? "" : ` at ${placeOf(path)}`;
  const here = nearest(key, keysAt(path));
  if (here !== undefined) return `unknown key \`${key}\`${where}; did you mean \`${here}\`?`;
  const elsewhere = fields.find((field) => field.path.at(-1) === nearest(key, fields.map(({ path: each }) => each.at(-1) ?? "")));
  if (elsewhere === undefined) return `unknown key \`${key}\`${where}`;
  const parent = elsewhere.path.slice(0, -1).join(".");
  return `unknown key \`${key}\`${where}; did you mean \`${elsewhere.path.at(-1) ?? ""}\`${parent === "" ? ", at the top of the file" : `, which belongs to ${parent}`}?`;
}

/** Of alternatives, the one that fits except for what lies inside it tells more than the list of all. */
function insideUnion(issue: z.core.$ZodIssue): z.core.$ZodIssue[] | undefined {
  if (issue.code !== "invalid_union") return undefined;
  const fitting = issue.errors.find((issues) => issues.every(({ path }) => path.length > 0));
  return fitting?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

function sentences(issue: z.core.$ZodIssue, origins: ReadonlyMap<string, string>): string[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(key, issue.path));
  const inside = insideUnion(issue);
  if (inside !== undefined) return problemsOf(inside, origins);
  const name = nameOf(issue.path, origins);
  if (issue.code === "invalid_key") return [`${placeOf(issue.path)}: the name ${issue.issues[0]?.message ?? issue.message}`];
  if (!issue.message.startsWith("must")) return [`${name}: ${issue.message}`];
  if (issue.input === undefined) {
    const variable = fieldAt(issue.path)?.variable;
    return [`${name}${variable === undefined ? "" : ` (or ${variable})`} is missing; it ${issue.message}`];
  }
  return [`${name} is ${seen(issue.input, issue.path)}, but ${issue.message}`];
}

/** One sentence a problem, in the file's order as far as the schema keeps it. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], origins: ReadonlyMap<string, string>): string[] {
  return issues.flatMap((issue) => sentences(issue, origins));
}
