/**
 * Small signed facts about a backup, each in one object, so that text and signature are never apart: an envelope around
 * the record's exact text, as the timeline has it. A record says its kind, so that none can stand for another.
 */
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import { type Signer, signerOf, type TrustedSigner } from "./signatures.ts";
import { requireInTime } from "./signer-window.ts";

const envelopeShape = z.object({ record: z.string(), signer: z.string(), signature: z.base64() });

/** @returns the object's bytes: indented JSON, one field a line; `beside` is not signed and must prove itself */
export function sealRecord(record: { readonly kind: string }, signer: Signer, beside: Readonly<Record<string, string>> = {}): Buffer {
  const text = JSON.stringify(record);
  const envelope = { record: text, signer: signer.id, signature: signer.sign(Buffer.from(text)).toString("base64"), ...beside };
  return Buffer.from(`${JSON.stringify(envelope, null, 2)}\n`);
}

/**
 * Reads a record and proves it.
 * @param at - when it was signed, by its own word: the key must have counted then
 * @returns with its exact text, over which a record after it may chain itself
 * @throws HoldfastError `integrity` if it is not of that shape, changed, or signed by a stranger or by a key that did not count then
 */
export function openRecord<T>(bytes: Buffer, shape: z.ZodType<T>, trusted: readonly TrustedSigner[], key: string, at: (record: T) => string): { readonly record: T; readonly text: string; readonly signer: TrustedSigner } {
  const envelope = parsed(bytes.toString("utf8"), envelopeShape);
  const record = envelope && parsed(envelope.record, shape);
  if (envelope === undefined || record === undefined) throw damaged(`${key} is damaged: it is not a record that this holdfast knows`, key);
  const signer = signerOf(Buffer.from(envelope.record), Buffer.from(envelope.signature, "base64"), trusted);
  if (signer === undefined) throw damaged(`${key} was changed, or a stranger signed it: expected a signature by ${trusted.map(({ id }) => id).join(" or ")}`, key);
  requireInTime(signer, new Date(at(record)), key, "Do not count on it");
  return { record, text: envelope.record, signer };
}

function damaged(message: string, key: string): HoldfastError {
  return new HoldfastError("integrity", message, { hints: ["Find out who wrote it; put it back from a copy of the repository, if there is one."], details: { key } });
}

function parsed<T>(text: string, shape: z.ZodType<T>): T | undefined {
  try {
    return shape.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
