/** The values that a runbook is run with: each judged by its type before anything is begun. */
import { nearest } from "../../config/nearest.ts";
import { HoldfastError } from "../../errors.ts";
import { registerSecret } from "../../process/redact.ts";
import { shellWord } from "../../process/shell-word.ts";
import type { InputDefinition, Runbook } from "./runbook.ts";

const rules: Readonly<Record<InputDefinition["type"], readonly [RegExp, string]>> = {
  text: [/^[^\p{Cc}]+$/u, "must be a text without control characters"],
  integer: [/^-?\d{1,15}$/, "must be a whole number"],
  boolean: [/^(?:true|false)$/, "must be true or false"],
  path: [/^\/[^\p{Cc}]*$/u, "must be an absolute path"],
  url: [/^[a-z][a-z0-9+.-]*:\/\/[^\s\p{Cc}]+$/iu, "must be a URL"],
  name: [/^[A-Za-z0-9_][A-Za-z0-9_.:@/-]*$/, "must be a name: letters, digits, and . _ : @ / - between them"],
  choice: [/^[^\p{Cc}]+$/u, "must be one of the choices"],
};

/** What is wrong with a value, as a rule that begins with "must"; undefined if it may be used. */
export function brokenRule(definition: InputDefinition, value: string): string | undefined {
  const [shape, rule] = rules[definition.type];
  if (definition.type === "choice") return definition.choices.includes(value) ? undefined : `must be ${definition.choices.join(" or ")}`;
  if (!shape.test(value)) return rule;
  // As an argument of its own it would be taken for an option.
  if (definition.type !== "integer" && !definition.secret && value.startsWith("-")) return "must not begin with -";
  const { pattern } = definition;
  if (pattern && !new RegExp(`^(?:${pattern.source})$`, "u").test(value)) return `must match ${pattern.source}`;
  return undefined;
}

/**
 * The given values and the defaults of the others. Every problem is named, not the first one only.
 * @throws HoldfastError `usage`
 */
export function resolveInputs(runbook: Runbook, given: ReadonlyMap<string, string>): Map<string, string> {
  const values = valuesFor(runbook, given);
  const missing = [...runbook.inputs.values()].filter(({ name }) => !values.has(name));
  if (missing.length > 0) {
    throw new HoldfastError("usage", `${missing.length === 1 ? "an input is" : "inputs are"} missing: ${missing.map(({ name }) => name).join(", ")}`, {
      hints: missing.map(({ name, description, secret }) => `Give --input ${name}=${secret ? "@FILE" : "…"}: ${description.replace(/\.$/, "")}.`),
    });
  }
  for (const { name, secret } of runbook.inputs.values()) if (secret) registerSecret(values.get(name));
  return values;
}

/** As {@link resolveInputs}, but what is missing may be missing: for a checklist. */
export function valuesFor(runbook: Runbook, given: ReadonlyMap<string, string>): Map<string, string> {
  const problems: string[] = [];
  const values = new Map<string, string>();
  for (const name of given.keys()) {
    if (runbook.inputs.has(name)) continue;
    const meant = nearest(name, runbook.inputs.keys());
    problems.push(`there is no input ${name}${meant === undefined ? "" : `; did you mean ${meant}?`}`);
  }
  for (const definition of runbook.inputs.values()) {
    const value = given.get(definition.name) ?? definition.default;
    if (value === undefined) continue;
    const broken = brokenRule(definition, value);
    if (broken === undefined) values.set(definition.name, value);
    else problems.push(`the input ${definition.name}${definition.secret ? "" : ` is ${JSON.stringify(value)}, but`} ${broken}`);
  }
  if (problems.length > 0) {
    throw new HoldfastError("usage", problems.join("; "), { hints: [`\`holdfast runbook show ${shellWord(runbook.id)}\` shows its inputs.`] });
  }
  return values;
}
