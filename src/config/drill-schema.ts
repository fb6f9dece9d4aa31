/** The part of the configuration's schema that is about drills, and what becomes of it. */
import * as z from "zod";

import { type Assertion, drillDefaults, type DrillSettings, type Expectation, providerNames, type SmokeTest } from "./drill-settings.ts";
import { day, field, flag, mapRule, measure, oneOf, text, texts, whole } from "./kinds.ts";
import { splitWords } from "./tools.ts";
import { parseDuration } from "./units.ts";

const years = 10 * 365 * day;
const objective = () => measure(parseDuration, "must be a duration from 1s to 3650d with its unit, as in 30m, 1h or 25h", 1_000, years);

function pattern() {
  const rule = "must be a regular expression as JavaScript reads it";
  return text().refine((given) => isPattern(given), rule);
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, "u") instanceof RegExp;
  } catch {
    return false;
  }
}

const limit = () => z.number({ error: "must be a number" });

const expectation = z
  .strictObject({
    equals: z.union([z.string(), z.number(), z.boolean()], { error: "must be a text, a number, true or false" }).optional(),
    min: limit().optional(),
    max: limit().optional(),
    nonEmpty: z.literal(true, { error: "must be true, or left out" }).optional(),
    matches: pattern().optional(),
  }, { error: mapRule })
  .transform(({ equals, min, max, nonEmpty, matches }, context): Expectation => {
    const range = min !== undefined || max !== undefined;
    const said = [equals !== undefined, range, nonEmpty !== undefined, matches !== undefined].filter(Boolean).length;
    // A mistyped key has been told already.
    if (said === 0 && context.issues.length === 0) context.addIssue({ code: "custom", message: "nothing is expected; say equals, min or max, nonEmpty: true or matches" });
    if (said > 1) context.addIssue({ code: "custom", message: "several things are expected; say one of equals, min and max, nonEmpty and matches, and write an assertion for each" });
    if (min !== undefined && max !== undefined && min > max) context.addIssue({ code: "custom", message: `min, ${min}, is above max, ${max}: no answer fits` });
    if (equals !== undefined) return { equals };
    if (matches !== undefined) return { matches };
    return range ? { min, max } : { nonEmpty: true };
  });

const assertion = z.strictObject({
  name: text().max(80, "must be at most 80 characters").regex(/^[^\p{Cc}]+$/u, "must be one line"),
  sql: text(),
  expect: expectation,
  sensitive: flag().default(true),
}, { error: mapRule });

const assertions = z.array(assertion, { error: "must be a list of { name, sql, expect }" }).superRefine((given, context) => {
  given.forEach(({ name }, at) => {
    const first = given.findIndex((other) => other.name === name);
    if (first < at) context.addIssue({ code: "custom", path: [at, "name"], message: `the name ${JSON.stringify(name)} is taken by assertions[${first}]` });
  });
});

function probeUrl() {
  return text().refine((given) => /^https?:\/\//i.test(given) && URL.canParse(given), "must be a URL that begins with http:// or https://")
    .refine((given) => !URL.canParse(given) || new URL(given).password === "", { message: "a password in the URL is not used; leave it out", abort: true });
}

const smoke = z.strictObject({
  command: field(
    z.union([text(), texts()], { error: "must be a command or a list of its words" }).transform((given, context): readonly [string, ...string[]] => {
      const [program, ...rest] = (typeof given === "string" ? splitWords(given) : given) ?? [];
      if (program !== undefined && program !== "") return [program, ...rest];
      context.addIssue({ code: "custom", message: "must name a program, its quotes closed" });
      return z.NEVER;
    }).optional(),
    "A program, run without a shell, that finds the copy in `DATABASE_URL`: exit 0 passes. With `http`, it serves until the probe has its answer, and is ended.",
    { type: "command or list of its words", example: "node scripts/smoke.js" },
  ),
  http: z.strictObject({
    url: field(probeUrl(), "Address that is asked until it answers as expected.", { type: "URL", example: "http://127.0.0.1:3000/api/health" }),
    status: field(whole(100, 599).default(200), "Status that it must answer with.", { type: "100 to 599", kind: "number", example: "204" }),
    bodyMatches: field(pattern().optional(), "What the answer's body must match.", { type: "regular expression", example: '"status": ?"ok"' }),
  }, { error: mapRule }).optional(),
  timeout: field(measure(parseDuration, "must be a duration from 1s to 1d with its unit, as in 30s or 5m", 1_000, day).default(60_000), "How long the smoke test may take.", { type: "duration", example: "2m", defaultText: "1m", at: "timeoutMs" }),
}, { error: mapRule }).superRefine(({ command, http }, context) => {
  if (command === undefined && http === undefined) context.addIssue({ code: "custom", message: "a smoke test needs a command, an http probe or both" });
});

/** @param url - reads a URL that may hold a password */
export function drillSchema<U extends z.ZodType<string>>(url: () => U) {
  return z.strictObject({
    scratch: field(oneOf(...providerNames).optional(), "Where drills restore to.", { type: "local, docker or server", example: "docker", defaultText: "the first that can be used, in that order" }),
    image: field(text().default(drillDefaults.image), "Image of the docker scratch; `{major}` stands for the source's major version.", { type: "image", example: "registry.internal/postgres:{major}" }),
    storage: field(oneOf("tmpfs", "volume").default(drillDefaults.storage), "Where the docker scratch keeps its data: in memory, which must hold the whole database, or in a volume.", { type: "tmpfs or volume", example: "tmpfs" }),
    server: field(url().optional(), "URL of the server for the server scratch, with a role that may create databases.", {
      type: "URL or source", fileVariable: true, secret: "url", example: "postgresql://drill:secret@scratch.internal:5432/postgres",
    }),
    allowSourceServer: field(flag().default(drillDefaults.allowSourceServer), "Whether the server scratch may be on the very server that was backed up.", { type: "true or false", kind: "boolean", example: "true" }),
    ttl: field(
      measure(parseDuration, "must be a duration from 5m to 30d with its unit, as in 90m or 6h", 300_000, 30 * day).default(drillDefaults.ttlMs),
      "How long a scratch may live; after that, anybody's `drill clean` removes it.",
      { type: "duration", example: "12h", defaultText: "6h", at: "ttlMs" },
    ),
    rto: field(objective().optional(), "Recovery time objective: what all phases of a drill together may take.", { type: "duration", example: "1h", at: "rtoMs" }),
    rpo: field(objective().optional(), "Recovery point objective: how old a backup's snapshot may be.", { type: "duration", example: "25h", at: "rpoMs" }),
    every: field(
      measure((given) => days(given), "must be whole days from 1d to 3650d", 1, 3650).default(drillDefaults.everyDays),
      "Days between two drills, before the next is overdue.",
      { type: "days", example: "31d", defaultText: "31d", at: "everyDays" },
    ),
    assertions: field(
      assertions.default([]),
      "Queries whose answers the copy must give: a list of `{ name, sql, expect, sensitive }`, where `expect` is `equals: VALUE`, `min: N` and `max: N`, `nonEmpty: true` or `matches: REGEX`. A value that was found is shown only with `sensitive: false`.",
      { type: "list of assertions", env: false, example: "" },
    ),
    smoke: smoke.optional(),
    plan: field(text().optional(), "Reference of the contingency plan's section that the drills test, for the evidence.", { type: "text", example: "CP-7 section 4.2" }),
    owner: field(text().optional(), "Who has to see to it that what a drill found is mended, for the evidence's corrective actions.", { type: "text", example: "database on-call" }),
    correctWithin: field(
      measure((given) => days(given), "must be whole days from 1d to 3650d", 1, 3650).default(drillDefaults.correctWithinDays),
      "Days in which what a drill found has to be mended.",
      { type: "days", example: "7d", defaultText: "14d", at: "correctWithinDays" },
    ),
    requirement: field(text().default(drillDefaults.requirement), "The rule that the drills answer, for the evidence.", { type: "text", example: "45 CFR 164.308(a)(7)(ii)(D)" }),
  }, { error: mapRule }).superRefine(({ scratch, server }, context) => {
    if (scratch === "server" && server === undefined) context.addIssue({ code: "custom", message: "scratch is server, but no server is named" });
  }).prefault({});
}

function days(text: string): number | undefined {
  const ms = parseDuration(text);
  return ms === undefined || ms % day !== 0 ? undefined : ms / day;
}

type ParsedDrill = z.output<ReturnType<typeof drillSchema<z.ZodType<string>>>>;

export function drillSettings({ scratch, server, plan, ttl, rto, rpo, every, correctWithin, smoke: tested, owner, ...rest }: ParsedDrill): DrillSettings {
  const kept: readonly Assertion[] = rest.assertions;
  return { ...rest, scratch, server, plan, owner, correctWithinDays: correctWithin, ttlMs: ttl, rtoMs: rto, rpoMs: rpo, everyDays: every, assertions: kept, smoke: tested && smokeTest(tested) };
}

function smokeTest({ command, http, timeout }: z.output<typeof smoke>): SmokeTest {
  return { timeoutMs: timeout, ...(command && { command }), ...(http && { http }) };
}
