/** What a comparison finds. Texts are names, numbers and digests; never a row's value. */

export type DifferenceKind =
  | "rows" | "digest" | "table" | "sequence" | "large-objects" | "extension" | "collation" | "schema" | "migration"
  | "encoding" | "locale" | "server" | "setting" | "application";

export interface Difference {
  readonly what: DifferenceKind;
  /** The object's name: `public.patients`, or for the schema its kind and name: `trigger "audit" on public.patients`. */
  readonly object: string;
  readonly expected: string;
  readonly found: string;
  /** `note`: worth telling, but no proof that the copy is wrong, such as another version of the server. */
  readonly severity: "differs" | "note";
}

/** The text for something that is not there. */
export const absent = "none";

export const majorOf = (versionNum: number): number => Math.floor(versionNum / 10_000);

/** Both lists by key, each pair once, in order of key: what one side lacks is undefined there. */
export function* pairs<T>(expected: readonly T[], found: readonly T[], key: (item: T) => string): Generator<[key: string, expected: T | undefined, found: T | undefined]> {
  const left = new Map(expected.map((item) => [key(item), item]));
  const right = new Map(found.map((item) => [key(item), item]));
  for (const name of [...new Set([...left.keys(), ...right.keys()])].sort()) yield [name, left.get(name), right.get(name)];
}
