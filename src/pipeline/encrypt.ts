/**
 * The age format, in and out: what we write `age -d` opens, what `age` writes we open. The header is
 * age-encryption's; the payload runs on node:crypto, ten times as fast as that package's own cipher.
 */
import type { Decrypter } from "age-encryption";
import { randomBytes } from "node:crypto";

import { HoldfastError } from "../errors.ts";
import { parseRecipients } from "./age-keys.ts";
import { damagedHeader, headerEnd, openHeader, sealHeader } from "./encrypt-header.ts";
import { openPayload, payloadKey, payloadNonceBytes, sealPayload } from "./payload.ts";

/** A stage of a pipeline. Buffers that it yields are the consumer's to keep; the source's are not written to. */
export type Stage = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Buffer>;

/**
 * Encrypts a stream to each of `recipients`.
 * @throws HoldfastError `configuration` if one is not valid, or if there is none
 */
export function encryptStream(recipients: readonly string[]): Stage {
  const checked = parseRecipients(recipients);
  return async function* encrypted(source) {
    const { header, fileKey } = await sealHeader(checked);
    // A nonce of our own: age-encryption has sealed its empty payload under the one that it chose.
    const nonce = randomBytes(payloadNonceBytes);
    yield Buffer.concat([header, nonce]);
    yield* sealPayload(source, payloadKey(fileKey, nonce));
  };
}

/**
 * Decrypts a stream with the first of `identities` that matches. Yields authenticated bytes only.
 * The stream throws HoldfastErrors: `configuration` if one is not an identity, `cannot-decrypt` if none matches,
 * `integrity` where it is damaged, cut short or continued.
 */
export function decryptStream(identities: readonly string[]): Stage {
  return decryptWith((decrypter) => {
    for (const identity of identities) addIdentity(decrypter, identity);
  });
}

/** As {@link decryptStream}, with whatever keys `unlock` gives to the decrypter. */
export function decryptWith(unlock: (decrypter: Decrypter) => void): Stage {
  return async function* decrypted(source) {
    const iterator = source[Symbol.asyncIterator]();
    let ended = false;
    try {
      let head = Buffer.alloc(0);
      let end: number | undefined;
      while (end === undefined || head.length < end + payloadNonceBytes) {
        const next = await iterator.next();
        if (next.done === true) {
          ended = true;
          throw damagedHeader(`the file ends after ${head.length} bytes`);
        }
        head = Buffer.concat([head, next.value]);
        end ??= headerEnd(head);
      }
      const fileKey = await openHeader(head.subarray(0, end), unlock);
      const payload = end + payloadNonceBytes;
      yield* openPayload(continued(head.subarray(payload), iterator), payloadKey(fileKey, head.subarray(end, payload)));
      ended = true;
    } finally {
      if (!ended) await iterator.return?.();
    }
  };
}

function addIdentity(decrypter: Decrypter, identity: string): void {
  try {
    decrypter.addIdentity(identity);
  } catch {
    // No cause: the decoder's message quotes the secret.
    throw new HoldfastError("configuration", "an identity is not a valid age identity", { hints: ["An identity starts with AGE-SECRET-KEY-1 or AGE-SECRET-KEY-PQ-1."] });
  }
}

/** `first`, then what is left of `iterator`. */
async function* continued(first: Buffer, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  if (first.length > 0) yield first;
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
}

/** Encrypts a small file. */
export async function sealBytes(bytes: Uint8Array, recipients: readonly string[]): Promise<Buffer> {
  return collected(encryptStream(recipients)(once(bytes)));
}

/** Decrypts a small file; throws as {@link decryptStream}'s stream does, and then gives nothing. */
export async function openBytes(bytes: Uint8Array, identities: readonly string[]): Promise<Buffer> {
  return collected(decryptStream(identities)(once(bytes)));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield await Promise.resolve(bytes);
}

async function collected(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
