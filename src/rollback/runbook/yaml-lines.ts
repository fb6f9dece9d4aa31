/** YAML of a runbook, read strictly, with the line of everything that stands in it. */
import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from "yaml";
import type * as z from "zod";

import { nearest } from "../../config/nearest.ts";
import { redact } from "../../process/redact.ts";
import type { Problem } from "./runbook.ts";
import { knownKeys } from "./schema.ts";

export interface LinedYaml {
  readonly value: unknown;
  readonly lineOf: (path: readonly PropertyKey[]) => number;
  readonly problems: readonly Problem[];
}

/** @param firstLine - the line of the file on which the text begins, from 1 */
export function readYaml(text: string, firstLine: number): LinedYaml {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, strict: true, uniqueKeys: true });
  const at = (offset: number): number => firstLine + counter.linePos(offset).line - 1;
  const aliases: Problem[] = [];
  visit(document, { Alias: (_, { source, range }) => { aliases.push({ line: at(range?.[0] ?? 0), severity: "error", rule: "yaml", message: `the alias *${source} is not followed: write out what it stands for` }); } });
  const errors = document.errors.map((error): Problem => ({ line: at(error.pos[0]), severity: "error", rule: "yaml", message: `the YAML cannot be read: ${redact(error.message.split("\n")[0] ?? "").replace(/\.$/, "")}` }));
  const problems = [...errors, ...aliases];
  return {
    value: problems.length > 0 ? undefined : (document.toJS({ maxAliasCount: 0 }) as unknown),
    lineOf: (path) => {
      const offset = offsetOf(document, path);
      return offset === undefined ? firstLine : at(offset);
    },
    problems,
  };
}

/** Of the key or item at a path, or of the nearest thing around it that is there. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0];
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) return offset;
      offset = rangeStart(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = rangeStart(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function rangeStart(node: unknown): number | undefined {
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return undefined;
  const start: unknown = node.range[0];
  return typeof start === "number" ? start : undefined;
}

/** What the schema found, as problems on their lines. */
export function schemaProblems(issues: readonly z.core.$ZodIssue[], yaml: LinedYaml, where: string): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => {
        const meant = nearest(key, knownKeys);
        return { line: yaml.lineOf([...issue.path, key]), severity: "error", rule: "unknown-key", message: `${where}: unknown key \`${key}\`${meant === undefined || meant === key ? "" : `; did you mean \`${meant}\`?`}` };
      });
    }
    if (issue.code === "invalid_union") {
      const inside = issue.errors.find((issues) => issues.length > 0 && issues.every(({ path, code }) => path.length > 0 || code === "unrecognized_keys"));
      if (inside !== undefined) return schemaProblems(inside.map((each) => ({ ...each, path: [...issue.path, ...each.path] })), yaml, where);
    }
    const name = issue.path.map(String).join(".");
    const message = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    const missing = issue.input === undefined && issue.code === "invalid_type";
    return [{ line: yaml.lineOf(issue.path), severity: "error", rule: missing ? "missing" : "value", message: missing ? `${where}: ${name} is missing; it ${message}` : `${where}: ${name === "" ? "it" : name} ${message}` }];
  });
}
