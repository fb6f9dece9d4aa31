/**
 * All that was ever said about one thing, in one object: records in envelopes, each signed over its exact text and chained
 * to the one before by its SHA-256, appended with conditional puts. What cannot be trusted keeps its place in the chain; what
 * that means is for whoever reads it.
 */
import { createHash } from "node:crypto";
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import type { Repository } from "./repository.ts";
import { type Signer, signerOf, type TrustedSigner } from "./signatures.ts";
import { isValidAt } from "./signer-window.ts";

/** A record's exact text is what its signature covers. Both are null around what was found there and is no record. */
const envelopeShape = z.object({ record: z.string(), signer: z.string().nullable(), signature: z.base64().nullable() });
const documentShape = z.object({ format: z.literal(1), records: z.array(envelopeShape) });
type Envelope = z.infer<typeof envelopeShape>;

/** What every record of a chain has. */
export interface Chained {
  readonly at: string;
  /** SHA-256 (hexadecimal) of the text of the record before; null in the first. */
  readonly previous: string | null;
}

/** Oldest first; undefined stands for what is no record, was changed, does not follow the one before, or is a stranger's. */
export type Chain<T> = readonly (T | undefined)[];

/** A record before it has its place in a chain. */
export type Unchained<T> = T extends unknown ? Omit<T, "previous"> : never;

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** @returns undefined where there is no such object */
export async function readChain<T extends Chained>(repository: Repository, key: string, shape: z.ZodType<T>): Promise<Chain<T> | undefined> {
  return (await openChain(repository, key, shape))?.chain;
}

/** A chain with what it was read from. */
export interface StoredChain<T> {
  readonly chain: Chain<T>;
  /** The exact text of each record. */
  readonly texts: readonly string[];
  /** Of the object, for a conditional put over it. */
  readonly version: string;
  /** The bytes of an object with the first so many records. */
  beginning(records: number): Buffer;
}

/** As {@link readChain}. */
export async function openChain<T extends Chained>({ store, trusted }: Repository, key: string, shape: z.ZodType<T>): Promise<StoredChain<T> | undefined> {
  const stored = await store.get(key);
  if (stored === undefined) return undefined;
  const envelopes = envelopesIn(stored.bytes);
  return {
    chain: judge(envelopes, shape, trusted),
    texts: envelopes.map(({ record }) => record),
    version: stored.version,
    beginning: (records) => (records === envelopes.length ? stored.bytes : documentOf(envelopes.slice(0, records))),
  };
}

function documentOf(records: readonly Envelope[]): Buffer {
  return Buffer.from(`${JSON.stringify({ format: 1, records }, null, 2)}\n`);
}

const mostRaces = 20;

/**
 * Adds a record.
 * @param next - makes it from what it will follow (undefined: it will be the first); throws where there must be none. Asked again
 * when somebody else was faster
 * @returns the chain with it
 */
export async function appendToChain<T extends Chained>(repository: Repository, key: string, signer: Signer, shape: z.ZodType<T>, next: (before: Chain<T> | undefined) => Unchained<T>): Promise<Chain<T>> {
  const { store, trusted } = repository;
  for (let race = 0; race < mostRaces; race += 1) {
    const stored = await store.get(key);
    const envelopes = stored === undefined ? [] : envelopesIn(stored.bytes);
    const record = next(stored && judge(envelopes, shape, trusted));
    const last = envelopes.at(-1);
    const text = JSON.stringify(shape.parse({ ...record, previous: last === undefined ? null : sha256(last.record) }));
    const added: Envelope[] = [...envelopes, { record: text, signer: signer.id, signature: signer.sign(Buffer.from(text)).toString("base64") }];
    const written = await store.put(key, documentOf(added), stored === undefined ? { ifAbsent: true } : { ifVersion: stored.version });
    if (written !== undefined) return judge(added, shape, trusted);
  }
  throw new HoldfastError("store-failed", `${key} cannot be written: ${mostRaces} conditional puts in a row were refused`, { hints: ["Run `holdfast doctor` to see whether the repository's storage honours conditional puts."] });
}

function judge<T extends Chained>(envelopes: readonly Envelope[], shape: z.ZodType<T>, trusted: readonly TrustedSigner[]): Chain<T> {
  return envelopes.map((envelope, index) => {
    const before = envelopes[index - 1];
    const record = trustedRecord(envelope, shape, trusted);
    return record?.previous === (before === undefined ? null : sha256(before.record)) ? record : undefined;
  });
}

function trustedRecord<T extends Chained>({ record, signature }: Envelope, shape: z.ZodType<T>, trusted: readonly TrustedSigner[]): T | undefined {
  const signer = signature === null ? undefined : signerOf(Buffer.from(record), Buffer.from(signature, "base64"), trusted);
  if (signer === undefined) return undefined;
  try {
    const { data } = shape.safeParse(JSON.parse(record));
    return data !== undefined && isValidAt(signer, new Date(data.at)) ? data : undefined;
  } catch {
    return undefined;
  }
}

/** What is no document of ours stays as the first record, which nobody has signed. */
function envelopesIn(bytes: Buffer): Envelope[] {
  const text = bytes.toString("utf8");
  const foreign = [{ record: text, signer: null, signature: null }];
  try {
    return documentShape.safeParse(JSON.parse(text)).data?.records ?? foreign;
  } catch {
    return foreign;
  }
}
