/** Small signed objects: the bytes under a key, and under the same key with `.sig` their signature by somebody whom we trust. */
import { basename } from "node:path";

import { HoldfastError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { signatureSuffix } from "./layout.ts";
import { type Signer, signerOf, type TrustedSigner } from "./signatures.ts";
import { requireInTime } from "./signer-window.ts";

/** What the object is: for the messages, and to know what its signer has said, and when. */
export interface SignedKind<T> {
  /** As in "no manifest can be trusted". */
  readonly noun: string;
  /** What not to do with one that cannot be trusted: "Do not restore from it". */
  readonly warning: string;
  /** Makes it of bytes whose signature was checked. @throws HoldfastError `integrity` if they are none */
  readonly parse: (bytes: Buffer, key: string) => T;
  /** When it was signed, by its own word: the key must have counted then. */
  readonly at: (content: T) => Date;
}

/** Bytes whose signature was checked. */
export interface SignedBytes {
  readonly bytes: Buffer;
  readonly signature: Buffer;
  readonly signer: TrustedSigner;
}

/** As they were read from the store. */
export interface SignedObject<T> extends SignedBytes {
  readonly content: T;
  /** Of the object, and of the one with its signature. */
  readonly version: string;
  readonly signatureVersion: string;
}

/**
 * Reads an object and checks its signature.
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, or signed by a stranger or by a key that did not count then;
 * `configuration` if nobody is trusted
 */
export async function readSigned<T>({ store, trusted }: { readonly store: Store; readonly trusted: readonly TrustedSigner[] }, key: string, kind: SignedKind<T>): Promise<SignedObject<T> | undefined> {
  const [stored, signature] = await Promise.all([store.get(key), store.get(key + signatureSuffix)]);
  if (stored === undefined) return undefined;
  const proof = authenticate(stored.bytes, signature?.bytes, trusted, key, kind);
  const content = kind.parse(stored.bytes, key);
  requireInTime(proof.signer, kind.at(content), key, kind.warning);
  return { content, bytes: stored.bytes, ...proof, version: stored.version, signatureVersion: signature?.version ?? "" };
}

function authenticate(bytes: Buffer, signature: Buffer | undefined, trusted: readonly TrustedSigner[], key: string, { noun, warning }: Pick<SignedKind<unknown>, "noun" | "warning">): Omit<SignedBytes, "bytes"> {
  if (trusted.length === 0) {
    throw new HoldfastError("configuration", `no trusted signer is configured, so no ${noun} can be trusted`, {
      hints: ["Set HOLDFAST_TRUSTED_SIGNERS to the public signing key, as PEM or the name of its file."],
    });
  }
  const file = basename(key);
  const expected = `a signature by ${trusted.map((signer) => signer.id).join(" or ")}`;
  if (signature === undefined) {
    throw new HoldfastError("integrity", `${key} is not signed: expected ${expected}, found no ${file}${signatureSuffix}`, {
      hints: [`${warning}: whoever can write to the repository could have put it there.`],
      details: { part: file, expected, found: "no signature" },
    });
  }
  const signer = signerOf(bytes, signature, trusted);
  if (signer !== undefined) return { signature, signer };
  throw new HoldfastError("integrity", `${key} was changed, or a stranger signed it: expected ${expected}, found ${foundSignature(signature)}`, {
    hints: [`${warning}. If the key of one of your backup hosts is missing among the trusted ones, add it to HOLDFAST_TRUSTED_SIGNERS.`],
    details: { part: file, expected, found: foundSignature(signature) },
  });
}

/** What stands in the place of a signature that does not hold, for a message. */
export function foundSignature(signature: Buffer): string {
  return signature.byteLength === 64 ? "one that does not fit" : `${signature.byteLength} bytes that are no signature`;
}

/** Writes an object once: its signature first, itself last. @throws HoldfastError `integrity` with the hint `ifTaken` if another lies there */
export async function publishSigned(store: Store, key: string, bytes: Buffer, signer: Signer, ifTaken: string): Promise<void> {
  await putOnce(store, key + signatureSuffix, signer.sign(bytes), ifTaken);
  await putOnce(store, key, bytes, ifTaken);
}

/** Equal bytes that are there already are ours: a request whose answer was lost is sent again. */
export async function putOnce(store: Store, key: string, bytes: Buffer, ifTaken: string): Promise<void> {
  if ((await store.put(key, bytes, { ifAbsent: true })) !== undefined) return;
  if ((await store.get(key))?.bytes.equals(bytes) === true) return;
  throw new HoldfastError("integrity", `${key} exists already`, { hints: [ifTaken] });
}
