/** What the schema is made of: the kinds of values that fields take, each with its rule, and what is known of a field beside them. */
import * as z from "zod";

import { SourceProblem } from "./sources.ts";
import { parseDuration } from "./units.ts";

export interface FieldFacts {
  /** What may be written, in words. */
  readonly type: string;
  readonly example: string;
  /** How the text of an environment variable becomes a value; `text` if absent. */
  readonly kind?: "number" | "boolean" | "list" | "path";
  /** The environment variable, where its name does not follow from the field's; false where a variable cannot hold it. */
  readonly env?: string | false;
  /** Whether `NAME_FILE` may name a file that holds the value. */
  readonly fileVariable?: true;
  /** `url` secrets are shown with their password masked, others not at all. */
  readonly secret?: "url" | "whole";
  /** The default in words, where it is no fixed value. */
  readonly defaultText?: string;
  /** Dotted path from the parent of the field to its value in `Config`, where it is not the field's name. */
  readonly at?: string;
}

export const fieldFacts = z.registry<FieldFacts>();

export function field<S extends z.ZodType>(schema: S, description: string, facts: FieldFacts): S {
  const described = schema.describe(description);
  fieldFacts.add<z.ZodType>(described, facts);
  return described;
}

export const text = (rule = "must be a text (put numbers in quotes)") => z.string({ error: rule }).min(1, rule);
export const flag = () => z.boolean({ error: "must be true or false" });
export const oneOf = <const T extends readonly string[]>(...values: T) => z.enum(values, { error: `must be ${values.join(" or ")}` });
export const texts = () => z.array(text(), { error: "must be a list of texts" });

export function whole(least: number, most: number) {
  const rule = `must be a whole number from ${least} to ${most}`;
  return z.int({ error: rule }).min(least, rule).max(most, rule);
}

/** A text that `parse` turns into a number between two bounds. */
export function measure(parse: (text: string) => number | undefined, rule: string, least: number, most: number) {
  return z.union([z.string(), z.number()], { error: rule }).transform((given, context) => {
    const value = parse(String(given));
    if (value !== undefined && value >= least && value <= most) return value;
    context.addIssue({ code: "custom", message: rule });
    return z.NEVER;
  });
}

export const day = 86_400_000;

export const duration = () => measure(parseDuration, "must be a duration from 1s to 1d with its unit, as in 30s or 5m", 1_000, day);

const sourceRule = "must be a text (put numbers in quotes), { env: NAME }, { file: path } or { command: [program, argument…] }";
export const source = () =>
  z.union(
    [
      text(),
      z.strictObject({ env: text() }),
      z.strictObject({ file: text() }),
      z.strictObject({ command: z.tuple([text()], text()) }),
    ],
    { error: sourceRule },
  );

/** Awaits `work`; a source that cannot be read becomes an issue of the field. */
export async function settle<T>(context: z.RefinementCtx, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SourceProblem)) throw error;
    context.addIssue({ code: "custom", message: error.message });
    return z.NEVER;
  }
}

export function mapRule(issue: { readonly code?: string | undefined }): string | undefined {
  return issue.code === "invalid_type" ? "must be a map of keys" : undefined;
}
