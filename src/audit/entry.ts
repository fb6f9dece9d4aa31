/**
 * What one line of the timeline says, and how it is written: an envelope around the entry's exact text, so that the
 * text can be signed and checked byte by byte with openssl. FORMAT.md specifies it for strangers.
 */
import { createHash } from "node:crypto";
import { z } from "zod";

import type { Signer } from "../catalog/signatures.ts";
import { redact } from "../process/redact.ts";
import type { Actor } from "./actor.ts";

/** How an action ended. */
export type Outcome = "ok" | "failed" | "cancelled";

/** One action as its story tells it. Texts are redacted and cut; values of `subject` name things, they hold no data. */
export interface Deed {
  /** The command in words: `backup`, `verify`, `restore`… */
  readonly action: string;
  /** What it was done to: `{ database: "ehr", backup: "ehr-20261121T020000Z-7f3a" }`. */
  readonly subject?: Readonly<Record<string, string | undefined>>;
  /** Why, as the operator gave it with `--reason`. */
  readonly reason?: string | null | undefined;
  readonly outcome: Outcome;
  /** The error's code of the table in errors.ts. */
  readonly code?: string | null | undefined;
  readonly message?: string | null | undefined;
  /** How long it took. */
  readonly seconds: number;
}

/** An entry that has no place in the chain yet. */
export interface Draft {
  readonly format: 1;
  /** Sixteen random hexadecimal digits: an entry is recognised by them wherever it stands. */
  readonly id: string;
  /** When it was done, ISO 8601 in UTC. */
  readonly at: string;
  readonly actor: Actor;
  readonly action: string;
  readonly subject: Readonly<Record<string, string>>;
  readonly reason: string | null;
  readonly outcome: Outcome;
  readonly code: string | null;
  readonly message: string | null;
  readonly seconds: number;
  /** Of the Holdfast that did it. */
  readonly version: string;
}

/** An entry at its place in the chain. */
export interface TimelineEntry extends Draft {
  /** From 1, through all years, without a gap. */
  readonly sequence: number;
  /** SHA-256 of the previous object's exact bytes in hexadecimal; null for the first. */
  readonly previous: string | null;
  /** When it reached the repository, if that was later than `at`; null if at once. */
  readonly recordedAt: string | null;
}

/** An object of the timeline, taken apart. */
export interface Envelope {
  /** The entry's JSON text: these bytes are what the signature covers. */
  readonly text: string;
  readonly entry: TimelineEntry;
  readonly signature: { readonly signer: string; readonly bytes: Buffer } | null;
}

/** Longest texts, in UTF-16 units; what is longer is cut, so that an object stays below {@link largestObject} even if all is control characters, which take seven bytes each. */
const longest = { action: 80, name: 80, value: 300, reason: 1_000, message: 2_000 } as const;
const mostSubjects = 20;

/** Bytes of the largest object that can be an entry of ours. */
export const largestObject = 256 * 1024;

/** `text` without secrets, then cut: a secret that straddles the cut would not be recognised after it. */
function clean(text: string, length: number): string {
  const shown = redact(text);
  return shown.length <= length ? shown : `${shown.slice(0, length - 1).toWellFormed()}…`;
}

function cleanActor({ user, host, operator, tty }: Actor): Actor {
  return { user: clean(user, longest.value), host: clean(host, longest.value), operator: operator === null ? null : clean(operator, longest.value), tty };
}

/** Makes the entry of a deed, safe to be kept for ever. */
export function draft(deed: Deed, context: { id: string; at: Date; actor: Actor; version: string }): Draft {
  const named = Object.entries(deed.subject ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return {
    format: 1,
    id: context.id,
    at: context.at.toISOString(),
    actor: cleanActor(context.actor),
    action: clean(deed.action, longest.action),
    subject: Object.fromEntries(named.slice(0, mostSubjects).map(([name, value]) => [clean(name, longest.name), clean(value, longest.value)])),
    reason: typeof deed.reason === "string" ? clean(deed.reason, longest.reason) : null,
    outcome: deed.outcome,
    code: typeof deed.code === "string" ? clean(deed.code, longest.name) : null,
    message: typeof deed.message === "string" ? clean(deed.message, longest.message) : null,
    seconds: Math.round(deed.seconds * 1000) / 1000,
    version: context.version,
  };
}

const iso = z.iso.datetime();
const draftShape = z.looseObject({
  format: z.literal(1),
  id: z.string().min(1),
  at: iso,
  actor: z.looseObject({ user: z.string(), host: z.string(), operator: z.string().nullable(), tty: z.boolean() }),
  action: z.string(),
  subject: z.record(z.string(), z.string()),
  reason: z.string().nullable(),
  outcome: z.enum(["ok", "failed", "cancelled"]),
  code: z.string().nullable(),
  message: z.string().nullable(),
  seconds: z.number(),
  version: z.string(),
});
const entryShape = draftShape.extend({ sequence: z.int().positive(), previous: z.string().nullable(), recordedAt: iso.nullable() });
const envelopeShape = z.object({ entry: z.string(), signer: z.string().nullable(), signature: z.base64().nullable() });

function parsed<T>(text: string, shape: z.ZodType<T>): T | undefined {
  try {
    return shape.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Reads back a draft that waited; undefined if the text is none. */
export function parseDraft(text: string): Draft | undefined {
  return parsed<Draft>(text, draftShape);
}

/** The object's bytes: one line of JSON with its newline, so that all objects one after the other are JSON Lines. */
export function encode(entry: TimelineEntry, signer: Signer | undefined): Buffer {
  const { format, id, sequence, previous, at, recordedAt, ...rest } = entry;
  const text = JSON.stringify({ format, sequence, previous, id, at, recordedAt, ...rest });
  const signature = signer === undefined ? null : signer.sign(Buffer.from(text)).toString("base64");
  return Buffer.from(`${JSON.stringify({ entry: text, signer: signer?.id ?? null, signature })}\n`);
}

/** Takes an object apart; undefined if it is not one of the timeline's. Checks no signature. */
export function decode(bytes: Uint8Array): Envelope | undefined {
  const envelope = parsed(Buffer.from(bytes).toString("utf8"), envelopeShape);
  if (envelope === undefined || (envelope.signer === null) !== (envelope.signature === null)) return undefined;
  const entry = parsed<TimelineEntry>(envelope.entry, entryShape);
  if (entry === undefined) return undefined;
  const { signer, signature } = envelope;
  return { text: envelope.entry, entry, signature: signer === null || signature === null ? null : { signer, bytes: Buffer.from(signature, "base64") } };
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
