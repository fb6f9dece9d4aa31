/** The schema as a list of its fields, for everything that is derived from it. */
import * as z from "zod";

import { fieldFacts, type FieldFacts } from "./kinds.ts";
import { configSchema } from "./schema.ts";

export interface Field extends FieldFacts {
  /** Keys from the top of the file; `<name>` stands for a database's. */
  readonly path: readonly string[];
  /** Undefined where no variable can hold the value. */
  readonly variable: string | undefined;
  /** What is read at the field's place, to find keys inside its value. */
  readonly schema: z.ZodType;
  readonly description: string;
  /** What holds when the field is absent, in words; undefined if nothing does. */
  readonly fallback: string | undefined;
  readonly required: boolean;
}

/** An environment variable that Holdfast reads. */
export interface EnvVariable {
  readonly name: string;
  /** The variable that may name a file with the value instead. */
  readonly fileVariable: string | undefined;
  readonly description: string;
  readonly example: string;
  readonly secret: boolean;
  /** Dotted path of the field that it sets; undefined for the variables that steer the loading itself. */
  readonly path: string | undefined;
}

/** The key that stands for a database's name. */
export const anyName = "<name>";

function variableName(path: readonly string[]): string {
  const keys = path.filter((key, at) => key !== anyName && !(at === 0 && key === "databases"));
  return `HOLDFAST_${keys.map((key) => key.replaceAll(/[A-Z]/g, "_$&").toUpperCase()).join("_")}`;
}

function fallbackOf(schema: z.ZodType): string | undefined {
  if (!(schema instanceof z.ZodDefault)) return undefined;
  const value: unknown = schema.def.defaultValue;
  if (Array.isArray(value)) return "none";
  return String(value);
}

function walk(schema: z.core.$ZodType, path: readonly string[], found: Field[]): void {
  const facts = schema instanceof z.ZodType ? fieldFacts.get(schema) : undefined;
  if (facts !== undefined && schema instanceof z.ZodType) {
    const fallback = facts.defaultText ?? fallbackOf(schema);
    const required = !(schema instanceof z.ZodOptional || schema instanceof z.ZodDefault);
    found.push({ ...facts, path, schema, variable: facts.env === false ? undefined : facts.env ?? variableName(path), description: schema.description ?? "", fallback, required });
  } else if (schema instanceof z.ZodObject) {
    for (const [key, inner] of Object.entries<z.core.$ZodType>(schema.shape)) walk(inner, [...path, key], found);
  } else if (schema instanceof z.ZodRecord) {
    walk(schema.valueType, [...path, anyName], found);
  } else if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    walk(schema.unwrap(), path, found);
  } else {
    throw new Error(`the field ${path.join(".")} has no facts`);
  }
}

function unread(): never {
  throw new Error("a schema made for its description reads nothing");
}

/** Every field, in the order of the schema. */
export const fields: readonly Field[] = (() => {
  const found: Field[] = [];
  walk(configSchema({ text: unread, secret: unread, file: unread, path: unread, warn: unread }), [], found);
  return found;
})();

/** The field that `path` (with a database's real name, perhaps deeper than a field) leads to. */
export function fieldAt(path: readonly PropertyKey[]): Field | undefined {
  const keys = path.map((key, at) => (path[0] === "databases" && at === 1 ? anyName : key));
  return fields.find((field) => field.path.every((key, at) => key === keys[at]));
}

/** The keys that may stand in a value of `schema`, `path` deep inside it. */
function keysInside(schema: z.core.$ZodType | undefined, path: readonly PropertyKey[]): string[] {
  const [key, ...deeper] = path;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return keysInside(schema.unwrap(), path);
  if (schema instanceof z.ZodPipe) return keysInside(schema.in, path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => keysInside(option, path));
  if (schema instanceof z.ZodArray && typeof key === "number") return keysInside(schema.element, deeper);
  if (!(schema instanceof z.ZodObject)) return [];
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  return key === undefined ? Object.keys(shape) : keysInside(shape[String(key)], deeper);
}

/** The keys that may stand at `path`. */
export function keysAt(path: readonly PropertyKey[]): ReadonlySet<string> {
  const within = fieldAt(path);
  if (within !== undefined) return new Set(keysInside(within.schema, path.slice(within.path.length)));
  const keys = path.map((key, at) => (path[0] === "databases" && at === 1 ? anyName : key));
  const below = fields.filter((field) => field.path.length > keys.length && keys.every((key, at) => key === field.path[at]));
  return new Set(below.map((field) => field.path[keys.length] ?? ""));
}

export const steering = {
  config: "HOLDFAST_CONFIG",
  database: "HOLDFAST_DATABASE",
} as const;

/** Every environment variable that sets something, those that steer the loading first. */
export const envVariables: readonly EnvVariable[] = [
  { name: steering.config, fileVariable: undefined, description: "The configuration file, instead of the places where it is looked for.", example: "/etc/holdfast/holdfast.yaml", secret: false, path: undefined },
  { name: steering.database, fileVariable: undefined, description: "The short name of the database that `DATABASE_URL` and the variables of a database are about; `main` if unset.", example: "ehr", secret: false, path: undefined },
  ...fields.flatMap((field): EnvVariable[] => {
    const { variable: name, description, example } = field;
    if (name === undefined) return [];
    return [{ name, fileVariable: field.fileVariable === true ? `${name}_FILE` : undefined, description, example, secret: field.secret !== undefined, path: field.path.join(".") }];
  }),
];
