/** Which keys a store takes. One rule for all stores, so that a repository can move between them. */
import { HoldfastError } from "../errors.ts";

/** Beginnings of names that a folder store keeps for itself and never lists. */
export const reserved = { temporary: ".tmp-", lock: ".lock-" } as const;

const longestSegment = 180;
const longestKey = 900;

function refuse(key: string, rule: string): never {
  throw new HoldfastError("store-failed", `the key ${JSON.stringify(key)} is not storable: ${rule}`);
}

/**
 * Refuses a key that could leave the repository or that some store cannot hold.
 * @throws HoldfastError `store-failed` naming the key and the rule
 */
export function checkKey(key: string): void {
  if (key === "") refuse(key, "it is empty");
  if (key.startsWith("/")) refuse(key, "it starts with a slash");
  if (key.includes("\0") || key.includes("\\")) refuse(key, "it holds a NUL or a backslash");
  if (Buffer.byteLength(key) > longestKey) refuse(key, `it is longer than ${longestKey} bytes`);
  for (const segment of key.split("/")) {
    if (segment === "") refuse(key, "it has an empty segment");
    if (segment === "." || segment === "..") refuse(key, `it has a "${segment}" segment`);
    if (Object.values(reserved).some((start) => segment.startsWith(start))) refuse(key, `"${segment}" is reserved for the store`);
    if (Buffer.byteLength(segment) > longestSegment) refuse(key, `a segment is longer than ${longestSegment} bytes`);
  }
}

/** Refuses a prefix that could leave the repository; it may be empty, and may end inside a name or with a slash. */
export function checkPrefix(prefix: string): void {
  if (prefix.startsWith("/")) refuse(prefix, "it starts with a slash");
  if (prefix.includes("\0") || prefix.includes("\\")) refuse(prefix, "it holds a NUL or a backslash");
  for (const segment of prefix.split("/").slice(0, -1)) {
    if (segment === "" || segment === "." || segment === "..") refuse(prefix, `it has a "${segment}" segment`);
  }
}

/** Orders keys as S3 does: by their UTF-8 bytes. */
export function compareKeys(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at += 1) {
    const difference = a.charCodeAt(at) - b.charCodeAt(at);
    if (difference === 0) continue;
    // Below the surrogates the order of UTF-16 is that of UTF-8, and nothing has to be encoded.
    if (a.charCodeAt(at) < 0xd800 && b.charCodeAt(at) < 0xd800) return difference;
    return Buffer.compare(Buffer.from(a), Buffer.from(b));
  }
  return a.length - b.length;
}

/** Is the last segment of a key one of these? */
export function isNamed(key: string, named: ReadonlySet<string> | undefined): boolean {
  return named === undefined || named.has(key.slice(key.lastIndexOf("/") + 1));
}
