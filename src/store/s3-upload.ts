/**
 * Streams one object to S3 in flat memory, whole or not at all: whoever sends the parts, what the store shows afterwards
 * is checked, and what a failed upload left is removed and proved gone.
 */
import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { setTimeout as sleep } from "node:timers/promises";

import { HoldfastError, cancelled, throwIfCancelled } from "../errors.ts";
import type { Uploader } from "./options.ts";
import type { S3Bucket } from "./s3-bucket.ts";
import { s3Failure } from "./s3-errors.ts";
import { planParts } from "./s3-parts.ts";
import { isRetained, retain } from "./s3-retention.ts";
import { type Send, Transfer } from "./s3-transfer.ts";
import { undoUpload } from "./s3-undo.ts";
import type { WriteOptions } from "./store.ts";

/** The ways of sending, each loaded only when chosen. */
const ways: Readonly<Record<Uploader, () => Promise<Send>>> = {
  own: async () => (await import("./s3-send-own.ts")).sendOwn,
  sdk: async () => (await import("./s3-send-sdk.ts")).sendSdk,
};

/** How long undoing may take: somebody who pressed Ctrl-C waits; a failed backup may take its time to leave nothing behind. */
const undoMs = { cancelled: 1_000, failed: 15_000 } as const;

/** @returns bytes stored */
export async function uploadStream(bucket: S3Bucket, fullKey: string, source: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<number> {
  throwIfCancelled(options.signal);
  const plan = planParts(options.estimate, bucket.options);
  const send = await ways[bucket.options.uploader ?? "own"]();
  const transfer = new Transfer(bucket, fullKey, plan, options);
  const watch = transfer.watchForStall();
  try {
    await check(transfer, await send(transfer, source));
    throwIfCancelled(options.signal);
    return transfer.taken;
  } catch (error) {
    transfer.fail(error);
    throw await undo(transfer, options.signal);
  } finally {
    clearInterval(watch);
  }
}

/** The object that is there now must be the one that was sent, and retained if that was asked for. */
async function check({ bucket, target, ends, taken }: Transfer, versionId: string | undefined): Promise<void> {
  const found = await bucket.client.send(new HeadObjectCommand(target), { abortSignal: ends });
  if (found.ContentLength !== taken) {
    throw new HoldfastError("store-failed", `the store shows ${found.ContentLength ?? "no"} bytes of ${target.Key}, and ${taken} were sent`);
  }
  const lock = bucket.options.objectLock;
  if (lock && isRetained(bucket, target.Key)) await retain(bucket, target.Key, lock, versionId ?? found.VersionId);
}

/** Removes what was uploaded. @returns the error to throw: the first failure, with a word if anything may be left */
async function undo(transfer: Transfer, signal: AbortSignal | undefined): Promise<Error> {
  const { bucket, target } = transfer;
  const wasCancelled = signal?.aborted === true;
  const error = wasCancelled ? cancelled(signal) : s3Failure(transfer.failure, `cannot write ${target.Key}`, bucket.place);
  await Promise.race([transfer.settled(), sleep(undoMs.cancelled, undefined, { ref: false })]);
  const withinMs = wasCancelled ? undoMs.cancelled : Math.min(undoMs.failed, bucket.options.requestTimeoutMs ?? undoMs.failed);
  const leftover = await transfer.leftover(withinMs);
  if (leftover.multipart === undefined && leftover.object === undefined) return error;
  const why = await undoUpload(bucket, target.Key, leftover, withinMs);
  if (why === undefined) return error;
  const left = `what was uploaded of ${target.Key} may be left in bucket "${bucket.name}" (${why})`;
  const hints = ["Run `holdfast doctor` later: it shows unfinished uploads; a lifecycle rule of the bucket that aborts them after a day is a good second net."];
  if (error instanceof HoldfastError) return new HoldfastError(error.code, `${error.message}; ${left}`, { hints: [...error.hints, ...hints], cause: error });
  return new HoldfastError("store-failed", `${error.message}; ${left}`, { hints, cause: error });
}
