/** From a Markdown file to a runbook, with everything that keeps it from being one, each on its line. */
import { lexer, type Token, type Tokens } from "marked";

import type { Problem, Runbook, RunbookStep } from "./runbook.ts";
import { blockSchema, frontMatterSchema, inputsOf } from "./schema.ts";
import { readYaml, schemaProblems } from "./yaml-lines.ts";

export interface ParsedRunbook {
  /** Undefined where the front matter cannot be understood. Steps that cannot are left out, and named in `problems`. */
  readonly runbook: Runbook | undefined;
  readonly problems: readonly Problem[];
}

/** The word after the language that makes a fenced block executable: ```` ```yaml holdfast ````. */
const language = /^ya?ml\s+holdfast$/;

interface Lined {
  readonly token: Token;
  /** From 1. */
  readonly line: number;
}

interface Section {
  readonly heading: Tokens.Heading;
  readonly line: number;
  readonly body: Lined[];
}

const isCode = (token: Token): token is Tokens.Code => token.type === "code";
const isHeading = (token: Token): token is Tokens.Heading => token.type === "heading";

export function parseRunbook(source: string): ParsedRunbook {
  const text = source.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
  const matter = /^---\n([\s\S]*?)^---[ \t]*(?:\n|$)/m.exec(text);
  if (matter?.index !== 0) {
    return { runbook: undefined, problems: [{ line: 1, severity: "error", rule: "front-matter", message: "the front matter is missing: the file must begin with a line of --- and YAML" }] };
  }
  const [whole, head = ""] = matter;
  const yaml = readYaml(head, 2);
  const front = frontMatterSchema.safeParse(yaml.value, { reportInput: true });
  const problems: Problem[] = [...yaml.problems];
  if (yaml.problems.length === 0 && !front.success) problems.push(...schemaProblems(front.error.issues, yaml, "front matter"));

  const { introduction, sections, problems: structure } = split(text.slice(whole.length), whole.split("\n").length);
  problems.push(...structure);
  const steps = sections.flatMap((section) => {
    const read = readStep(section);
    problems.push(...read.problems);
    return read.step ?? [];
  });
  if (sections.length === 0) problems.push({ line: 1, severity: "error", rule: "no-steps", message: "there is no step: each begins with a heading of the second level" });
  if (!front.success) return { runbook: undefined, problems };
  const { inputs, ...facts } = front.data;
  return { runbook: { ...facts, inputs: inputsOf(inputs), introduction, steps, lineOf: yaml.lineOf }, problems };
}

function split(body: string, firstLine: number): { introduction: string; sections: Section[]; problems: Problem[] } {
  const before: string[] = [];
  const sections: Section[] = [];
  const problems: Problem[] = [];
  let line = firstLine;
  let level = 1;
  for (const token of lexer(body)) {
    const here = { token, line };
    line += token.raw.split("\n").length - 1;
    if (isHeading(token)) {
      if (token.depth > level + 1) problems.push({ line: here.line, severity: "error", rule: "heading", message: `the heading "${token.text}" has level ${token.depth} below one of level ${level}: a level is left out` });
      if (token.depth === 1 && sections.length > 0) problems.push({ line: here.line, severity: "error", rule: "heading", message: `the heading "${token.text}" has level 1 after the first step: steps have level 2` });
      level = token.depth;
    }
    if (isHeading(token) && token.depth === 2) sections.push({ heading: token, line: here.line, body: [] });
    else if (sections.length > 0) sections.at(-1)?.body.push(here);
    else {
      if (isCode(token) && language.test(token.lang ?? "")) problems.push({ line: here.line, severity: "error", rule: "block", message: "an executable block stands before the first step" });
      if (!(isHeading(token) && token.depth === 1)) before.push(token.raw);
    }
  }
  return { introduction: before.join("").trim(), sections, problems };
}

function readStep({ heading, line, body }: Section): { step: RunbookStep | undefined; problems: Problem[] } {
  const title = heading.text.trim();
  const error = (rule: string, message: string, at = line): Problem => ({ line: at, severity: "error", rule, message });
  const fences = body.flatMap(({ token, line: at }) => (isCode(token) ? [{ code: token, at, top: true }] : nestedCode(token).map((code) => ({ code, at, top: false }))));
  const hidden = fences.find(({ top }) => !top);
  if (hidden) return { step: undefined, problems: [error("block", `step "${title}": a fenced block stands inside of a list or a quote, where it is no step's`, hidden.at)] };
  const [block, second] = fences;
  if (block === undefined) return { step: undefined, problems: [error("block", `step "${title}" has no fenced block; a step that a person does has one with \`manual\``)] };
  if (second) return { step: undefined, problems: [error("block", `step "${title}" has ${fences.length} fenced blocks, but must have one: what is executed is what is shown`, second.at)] };
  if (!language.test(block.code.lang ?? "")) return { step: undefined, problems: [error("block", `step "${title}": the fenced block must begin with \`\`\`yaml holdfast`, block.at)] };

  const yaml = readYaml(block.code.text, block.at + (/^\s*(?:`{3,}|~{3,})/.test(block.code.raw) ? 1 : 0));
  if (yaml.problems.length > 0) return { step: undefined, problems: [...yaml.problems] };
  const parsed = blockSchema.safeParse(yaml.value, { reportInput: true });
  if (!parsed.success) return { step: undefined, problems: schemaProblems(parsed.error.issues, yaml, `step "${title}"`) };
  const { id, run, before, after, undo, confirm, repeatable, manual } = parsed.data;
  const prose = body.filter(({ token }) => token !== block.code).map(({ token }) => token.raw).join("").trim();
  return { step: { id, title, prose, run, before, after, undo, confirm, repeatable, manual, line, lineOf: yaml.lineOf }, problems: [] };
}

function nestedCode(token: Token): Tokens.Code[] {
  const children: unknown[] = [...("tokens" in token && Array.isArray(token.tokens) ? (token.tokens as unknown[]) : []), ...("items" in token && Array.isArray(token.items) ? (token.items as unknown[]) : [])];
  return (children as Token[]).flatMap((child) => (isCode(child) ? [child] : nestedCode(child)));
}
