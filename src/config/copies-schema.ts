/** `copies`: further places for the same backups, by name, each with the keys of `repository`. */
import * as z from "zod";

/** What `--from` and `--to` call the configured repository. */
export const primaryName = "primary";

const copyName = /^[a-z0-9][a-z0-9_-]{0,39}$/;
const copyNameRule = "must be a short name: lower-case letters, digits, - and _, at most 40, not beginning with - or _";
const rule = "must be a map of names to locations, as in { offsite: { url: … } }, or texts NAME=URL";

/** A location alone is short for a map with only a `url`, and `NAME=URL` for an entry, as an environment variable gives them. */
function written(given: unknown): unknown {
  if (Array.isArray(given)) {
    const pairs = given.map((item: unknown) => (typeof item === "string" ? /^([^=:]*)=(.+)$/s.exec(item)?.slice(1) : undefined));
    return pairs.every((pair) => pair !== undefined) ? Object.fromEntries(pairs.map(([name = "", url = ""]) => [name, { url }])) : given;
  }
  if (typeof given !== "object" || given === null) return given;
  return Object.fromEntries(Object.entries(given).map(([name, value]: [string, unknown]) => [name, typeof value === "string" ? { url: value } : value]));
}

/** The names in the order in which they were written: values that are read from elsewhere arrive in any. */
export function copiesInOrder<T>(parsed: Readonly<Record<string, T>>, given: unknown): ReadonlyMap<string, T> {
  const content = written(given);
  const order = typeof content === "object" && content !== null ? Object.keys(content) : [];
  return new Map(order.flatMap((name): [string, T][] => { const found = parsed[name]; return found === undefined ? [] : [[name, found]]; }));
}

/** @param place - the schema of `repository` */
export function copiesSchema<S extends z.ZodType>(place: S) {
  const name = z.string().regex(copyName, copyNameRule).refine((given) => given !== primaryName, `must not be ${primaryName}, which means the configured repository`);
  return z.preprocess(written, z.record(name, place, { error: rule }));
}
