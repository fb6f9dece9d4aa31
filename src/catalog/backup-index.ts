/**
 * The index of a database's backups: what their manifests said when they were read and their signatures checked, with
 * the tags that the store gave the objects then. It is a cache and nothing else. Which backups there are is never asked
 * of it, and what it says of one holds only while the store shows the very objects that it was read from.
 */
import { z } from "zod";

import { messageOf } from "../errors.ts";
import type { PutCondition } from "../store/store.ts";
import { formatVersion, indexKey } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { type Signer, signerOf, type TrustedSigner } from "./signatures.ts";
import { describeWindow, isValidAt } from "./signer-window.ts";
import { summarySchema } from "./summary.ts";

/** Another number whenever a summary gets or loses a field, so that no index of another shape is taken for whole. */
const shape = 1;
const header = z.object({ format: z.literal(formatVersion), shape: z.literal(shape), repository: z.string(), database: z.string() });
const line = z.object({ manifest: z.string(), signature: z.string(), signer: z.string(), summary: summarySchema });
const seal = z.strictObject({ signer: z.string(), signature: z.string() });

/** What is known of a backup while `manifest` and `signature` are the tags of its two objects; `signer` is who really signed it. */
export type IndexLine = z.infer<typeof line>;

export interface BackupIndex {
  /** By id; empty if there is no index that could be used. */
  readonly lines: ReadonlyMap<string, IndexLine>;
  /** Why what lies there is not used, as a clause; undefined if it is, or if there is nothing. */
  readonly problem: string | undefined;
  /** The condition under which the next one may be written. */
  readonly replaces: PutCondition;
}

/** Reads the index; one that is damaged, unsigned, a stranger's or of another place is told and not used. */
export async function readIndex(repository: Repository, database: string): Promise<BackupIndex> {
  const stored = await repository.store.get(indexKey(database));
  if (stored === undefined) return { lines: new Map(), problem: undefined, replaces: { ifAbsent: true } };
  const replaces = { ifVersion: stored.version };
  try {
    return { lines: decodeIndex(stored.bytes, repository, database), problem: undefined, replaces };
  } catch (error) {
    const problem = error instanceof Unusable ? error.message : `it cannot be read: ${messageOf(error)}`;
    return { lines: new Map(), problem, replaces };
  }
}

/** @returns false if somebody else replaced the index meanwhile; theirs is as good */
export async function writeIndex(repository: Repository, database: string, lines: Iterable<IndexLine>, replaces: PutCondition, signer: Signer): Promise<boolean> {
  const bytes = encodeIndex(lines, { repository: repository.id, database }, signer);
  return (await repository.store.put(indexKey(database), bytes, replaces)) !== undefined;
}

class Unusable extends Error {}

function encodeIndex(lines: Iterable<IndexLine>, place: { repository: string; database: string }, signer: Signer): Buffer {
  const signed = Buffer.from([{ format: formatVersion, shape, ...place }, ...lines].map((object) => `${JSON.stringify(object)}\n`).join(""));
  const ending = { signer: signer.id, signature: signer.sign(signed).toString("base64") };
  return Buffer.concat([signed, Buffer.from(`${JSON.stringify(ending)}\n`)]);
}

function decodeIndex(bytes: Buffer, repository: Repository, database: string): Map<string, IndexLine> {
  const signed = requireSeal(bytes, repository.trusted);
  const [first = "", ...rest] = signed.toString("utf8").trimEnd().split("\n");
  const place = header.parse(JSON.parse(first));
  if (place.repository !== repository.id || place.database !== database) throw new Unusable(`it is the index of ${place.database} in repository ${place.repository}`);
  const lines = rest.map((text) => line.parse(JSON.parse(text)));
  return new Map(lines.filter((known) => counts(known, repository.trusted)).map((known) => [known.summary.id, known]));
}

/** @returns what a trusted signer signed: everything before the last line */
function requireSeal(bytes: Buffer, trusted: readonly TrustedSigner[]): Buffer {
  const end = bytes.lastIndexOf("\n", -2) + 1;
  const last = seal.safeParse(parsed(bytes.subarray(end)));
  if (end === 0 || !last.success) throw new Unusable("it has no signature at its end");
  const signed = bytes.subarray(0, end);
  const signer = signerOf(signed, Buffer.from(last.data.signature, "base64"), trusted);
  if (signer === undefined) throw new Unusable("it was changed, or a stranger signed it");
  // Whoever still holds a retired key must not vouch for anything with it: a cache can always be made anew.
  if (!isValidAt(signer, new Date())) throw new Unusable(`it is signed by ${signer.id}, which counted ${describeWindow(signer)} only`);
  return signed;
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** A manifest whose signer is no longer trusted, or was not at its time, has to be read again, to be refused with its reason. */
function counts({ signer, summary }: IndexLine, trusted: readonly TrustedSigner[]): boolean {
  return trusted.some((known) => known.id === signer && isValidAt(known, new Date(summary.finishedAt)));
}
