/** What may stand in a runbook's front matter and in the fenced block of a step. */
import * as z from "zod";

import { duration, flag, oneOf, text, whole } from "../../config/kinds.ts";
import type { Check, Command, InputDefinition, Patience, Undo } from "./runbook.ts";
import { inputTypes, runbookPlatforms } from "./runbook.ts";

const map = { error: "must be a map of names and values" };
const id = (rule: string) => text().regex(/^[a-z0-9][a-z0-9-]*$/, rule);
const scalar = () => z.union([z.string(), z.number(), z.boolean()], { error: "must be a text, a number, true or false" });
const pattern = () => text().transform((given, context) => {
  try {
    return new RegExp(given, "u");
  } catch {
    context.addIssue({ code: "custom", message: "must be a regular expression" });
    return z.NEVER;
  }
});

const input = z.strictObject({
  type: oneOf(...inputTypes),
  description: text(),
  required: flag().optional(),
  default: scalar().optional(),
  secret: flag().default(false),
  pattern: pattern().optional(),
  choices: z.array(text(), { error: "must be a list of texts" }).min(1, "must name at least one").optional(),
}, map).superRefine((given, context) => {
  const wrong = (path: string, message: string): void => { context.addIssue({ code: "custom", path: [path], message }); };
  if ((given.type === "choice") !== (given.choices !== undefined)) wrong("choices", "must be given for the type choice, and for no other");
  if (given.required === true && given.default !== undefined) wrong("default", "must not be given for an input that is required");
  if (given.required === false && given.default === undefined) wrong("required", "must have a default beside it where it is false");
  if (given.secret && given.default !== undefined) wrong("default", "must not be given for a secret");
});

export const frontMatterSchema = z.strictObject({
  id: id("must be lower-case letters, digits and -"),
  title: text(),
  platform: oneOf(...runbookPlatforms),
  severity: text(),
  owner: text(),
  lastReviewed: z.union([z.string(), z.date()], { error: "must be a date, as in 2026-11-22" }).transform((given) => (given instanceof Date ? given.toISOString().slice(0, 10) : given))
    .refine((given) => /^\d{4}-\d\d-\d\d$/.test(given) && new Date(given).toJSON().startsWith(given), "must be a date, as in 2026-11-22"),
  preconditions: z.array(text(), { error: "must be a list of sentences" }).default([]),
  inputs: z.record(text().regex(/^[A-Za-z][A-Za-z0-9_-]*$/, "must be letters, digits, - and _"), input, map).default({}),
}, map);

export function inputsOf(given: z.output<typeof frontMatterSchema>["inputs"]): Map<string, InputDefinition> {
  return new Map(Object.entries(given).map(([name, definition]) => [name, {
    name,
    type: definition.type,
    description: definition.description,
    default: definition.default === undefined ? undefined : String(definition.default),
    secret: definition.secret,
    pattern: definition.pattern,
    choices: definition.choices ?? [],
  }]));
}

const argvRule = "must be a list of words, as in [docker, ps], numbers in quotes";
const argv = () => z.tuple([text(argvRule)], z.string({ error: argvRule }), { error: argvRule });
const argvs = () => z.array(argv(), { error: argvRule }).min(1, "must name at least one command");
const runRule = "must be a list of words, as in [docker, ps], or a list of such lists; numbers in quotes";
/** Nothing but its own rule is said of what is neither. */
const run = () => z.union([argv(), argvs()], { error: runRule }).transform((given) => (given as readonly unknown[]).every((word) => Array.isArray(word)) ? (given as Words[]) : [given as Words]);
type Words = [string, ...string[]];

const around = {
  stdin: z.string({ error: "must be a text" }).optional(),
  env: z.record(text().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable"), z.string({ error: "must be a text (put numbers in quotes)" }), map).default({}),
  timeout: duration().optional(),
  output: text().optional(),
};

interface Around {
  readonly run?: readonly Words[] | undefined;
  readonly pipe?: readonly Words[] | undefined;
  readonly stdin?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly timeout?: number | undefined;
  readonly output?: string | undefined;
}

function commandsOf({ run: sequence, pipe, stdin, env, timeout, output }: Around): Command[] {
  const shared = { stdin, env, timeoutMs: timeout, output };
  if (pipe !== undefined) return [{ ...shared, argv: pipe as [Words, ...Words[]] }];
  return (sequence ?? []).map((words) => ({ ...shared, argv: [words] }));
}

const oneCommand = (given: Around): Command => commandsOf(given)[0] ?? { argv: [[""]], stdin: undefined, env: {}, timeoutMs: undefined, output: undefined };

const either = (given: Around, context: z.RefinementCtx): void => {
  if ((given.run === undefined) === (given.pipe === undefined)) context.addIssue({ code: "custom", message: "must have either run or pipe" });
};

const single = () => argv().transform((words): Words[] => [words]);
const same = z.strictObject({ run: single().optional(), pipe: argvs().optional(), ...around }, map).superRefine(either).transform((given) => oneCommand(given));

const check = z.strictObject({
  run: single().optional(),
  pipe: argvs().optional(),
  ...around,
  exit: whole(0, 255).default(0),
  stdout: z.strictObject({ equals: scalar().optional(), matches: pattern().optional(), contains: text().optional(), same: same.optional() }, map).default({}),
  json: z.record(text(), scalar(), map).default({}),
  http: text().regex(/^(?:https?:\/\/|\{\{)/, "must be a URL, as in http://127.0.0.1:3000/api/health").optional(),
  status: whole(100, 599).default(200),
  expect: z.record(text(), scalar(), map).default({}),
  times: whole(1, 100).default(1),
  within: duration().optional(),
  every: duration().default(1_000),
}, map).superRefine((given, context) => {
  if ([given.run, given.pipe, given.http].filter((way) => way !== undefined).length !== 1) context.addIssue({ code: "custom", message: "must have one of run, pipe and http" });
}).transform((given): Check => {
  const patience: Patience = { times: given.times, withinMs: given.within ?? 0, everyMs: given.every };
  if (given.http !== undefined) return { kind: "http", url: given.http, status: given.status, expect: given.expect, timeoutMs: given.timeout ?? 10_000, ...patience };
  const { equals, ...stdout } = given.stdout;
  return { kind: "command", command: oneCommand(given), exit: given.exit, stdout: { ...stdout, equals: equals === undefined ? undefined : String(equals) }, json: given.json, ...patience };
});

const undoRule = "must be a command, { none: REASON }, or the word nothing, where nothing has to be taken back";
const undo = z.union([
  z.literal("nothing").transform((): Undo => ({ kind: "nothing" })),
  z.strictObject({ none: text() }).transform(({ none }): Undo => ({ kind: "impossible", reason: none })),
  z.strictObject({ run: run().optional(), pipe: argvs().optional(), ...around }).superRefine(either).transform((given): Undo => ({ kind: "commands", commands: commandsOf(given) })),
  run().transform((sequence): Undo => ({ kind: "commands", commands: commandsOf({ run: sequence, env: {} }) })),
], { error: undoRule });

const checks = () => z.array(check, { error: "must be a list of checks" }).default([]);

export const blockSchema = z.strictObject({
  id: id("must be lower-case letters, digits and -"),
  run: run().optional(),
  pipe: argvs().optional(),
  ...around,
  before: checks(),
  after: checks(),
  undo: undo.optional(),
  confirm: flag().default(false),
  repeatable: text("must say why it does no harm to do it again").optional(),
  manual: text("must say what a person does, and what to look for").optional(),
}, map).superRefine((given, context) => {
  if ([given.run, given.pipe, given.manual].filter((way) => way !== undefined).length !== 1) context.addIssue({ code: "custom", message: "must have one of run, pipe and manual" });
}).transform((given) => ({ ...given, run: commandsOf(given) }));

/** Every key that the grammar knows, for the one that was meant. */
export const knownKeys = ["id", "title", "platform", "severity", "owner", "lastReviewed", "preconditions", "inputs", "type", "description", "required", "default", "secret", "pattern", "choices",
  "run", "pipe", "stdin", "env", "timeout", "output", "before", "after", "undo", "confirm", "repeatable", "manual", "exit", "stdout", "json", "http", "status", "expect", "times", "within", "every", "equals", "matches", "contains", "same", "none"] as const;
