/** JSON values: taken apart, and hashed whatever the order of their keys. */
import { createHash, createHmac } from "node:crypto";

/** The one text of a JSON value: keys sorted, no spaces, members that are undefined left out. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(",")}}`;
}

/** A copy without some members. */
export function without<T extends object, K extends keyof T>(value: T, ...keys: readonly K[]): Omit<T, K> {
  const copy = { ...value };
  for (const key of keys) Reflect.deleteProperty(copy, key);
  return copy;
}

/** @returns hexadecimal */
export function sha256Of(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex");
}

/**
 * Hash of what may be secret. The plain hash of a short password can be guessed by whoever reads a checkpoint; so the key is
 * the uid of the object that holds it, 122 random bits which the cluster shows to those only who may read the object itself,
 * and which stay as long as the object does. An object that was deleted and made again counts as changed.
 * @returns hexadecimal
 */
export function keyedSha256(uid: string, value: unknown): string {
  return createHmac("sha256", `holdfast:${uid}`).update(canonicalJson(value)).digest("hex");
}
