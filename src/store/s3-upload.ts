/**
 * Streams one object to S3 in flat memory, whole or not at all.
 *
 * The multipart requests are sent from here and not by lib-storage: measured over 2 GB to a server on loopback it costs
 * twice the CPU and 90 MB more, because it joins chunks into fresh buffers of twice a part; it also goes on
 * sending the rest of the stream after a part has failed, and its abort leaves requests under way.
 */
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, HeadObjectCommand, PutObjectCommand, UploadPartCommand } from "@aws-sdk/client-s3";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";

import { HoldfastError, cancelled, throwIfCancelled } from "../errors.ts";
import { type S3Bucket, placementOf } from "./s3-bucket.ts";
import { defaultLimits, type RequestOptions } from "./s3-client.ts";
import { httpStatusOf, isRefusal, s3Failure, serviceErrorName } from "./s3-errors.ts";
import { type Part, gather } from "./s3-gather.ts";
import { type PartPlan, planParts } from "./s3-parts.ts";
import { isRetained, retain } from "./s3-retention.ts";
import { type Leftover, type NewObject, findNew, stateOf, undoUpload } from "./s3-undo.ts";
import { cancellable, untilAborted } from "./source.ts";
import type { WriteOptions } from "./store.ts";

/** How long undoing may take: somebody who pressed Ctrl-C waits; a failed backup may take its time to leave nothing behind. */
const undoMs = { cancelled: 1_000, failed: 15_000 } as const;

/** @returns bytes stored */
export async function uploadStream(bucket: S3Bucket, fullKey: string, source: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<number> {
  throwIfCancelled(options.signal);
  return new Upload(bucket, fullKey, planParts(options.estimate, bucket.options), options).run(source);
}

class Upload {
  readonly #bucket: S3Bucket;
  readonly #target: { readonly Bucket: string; readonly Key: string };
  readonly #plan: PartPlan;
  readonly #options: WriteOptions;
  /** Ends everything that is under way: the caller's signal, or our own after the first failure. */
  readonly #ends: AbortSignal;
  readonly #stop = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  readonly #parts: { readonly PartNumber: number; readonly ETag: string; readonly ChecksumCRC32: string }[] = [];
  #failure: { readonly error: unknown } | undefined;
  #begun: Promise<string> | undefined;
  /** What was under the key before; asked for while the first part fills. */
  #before: Promise<string | undefined> = Promise.resolve(undefined);
  #object: NewObject | undefined;
  #storedBytes = 0;
  #lastProgress = performance.now();

  constructor(bucket: S3Bucket, fullKey: string, plan: PartPlan, options: WriteOptions) {
    this.#bucket = bucket;
    this.#target = { Bucket: bucket.name, Key: fullKey };
    this.#plan = plan;
    this.#options = options;
    this.#ends = options.signal ? AbortSignal.any([options.signal, this.#stop.signal]) : this.#stop.signal;
  }

  async run(source: AsyncIterable<Uint8Array>): Promise<number> {
    const watch = this.#watchForStall();
    this.#before = stateOf(this.#bucket, this.#target.Key, this.#ends).catch((error: unknown) => {
      // Without the right to look there is nothing to compare with later.
      if (httpStatusOf(error) === undefined) throw error;
      return undefined;
    });
    this.#before.catch(() => undefined);
    try {
      const versionId = await this.#send(source);
      await this.#check(versionId);
      return this.#storedBytes;
    } catch (error) {
      this.#fail(error);
      throw await this.#undo(this.#failure?.error);
    } finally {
      clearInterval(watch);
    }
  }

  /** Sends the stream and makes it an object. @returns the object's version, where the bucket has versions */
  async #send(source: AsyncIterable<Uint8Array>): Promise<string | undefined> {
    for await (const part of gather(cancellable(source, this.#ends), this.#plan.partBytes, this.#plan.concurrency)) {
      if (part.last && part.number === 1) return this.#putWhole(part);
      if (part.bytes.length + (part.number - 1) * this.#plan.partBytes > this.#plan.mostBytes) {
        throw new HoldfastError("store-failed", `more than ${this.#plan.mostBytes} bytes came for ${this.#target.Key}, and ${this.#options.estimate ?? "no"} were expected: its parts of ${this.#plan.partBytes} bytes cannot hold them`, {
          hints: ["Raise the repository's part size."],
        });
      }
      this.#start(part, await this.#begin());
    }
    await Promise.all(this.#underWay);
    if (this.#failure) throw this.#failure.error;
    return this.#complete(await this.#begin());
  }

  /** Begins the multipart upload once. Not ended by the signal: an upload whose id never came would stay behind. */
  #begin(): Promise<string> {
    this.#begun ??= this.#bucket.client
      .send(new CreateMultipartUploadCommand({ ...this.#target, ...placementOf(this.#bucket.options), ContentType: "application/octet-stream", ChecksumAlgorithm: "CRC32" }))
      .then(({ UploadId: id }) => {
        if (id === undefined) throw new HoldfastError("store-failed", `the store began an upload of ${this.#target.Key} without naming it`);
        return id;
      });
    return untilAborted(this.#begun, this.#ends);
  }

  #start(part: Part, uploadId: string): void {
    if (this.#underWay.size === 0) this.#lastProgress = performance.now();
    const sending = this.#sendPart(part, uploadId)
      .catch((error: unknown) => { this.#fail(error); })
      .finally(() => {
        this.#underWay.delete(sending);
        part.release();
      });
    this.#underWay.add(sending);
  }

  async #sendPart(part: Part, uploadId: string): Promise<void> {
    const sum = checksum(part.bytes);
    const command = new UploadPartCommand({ ...this.#target, UploadId: uploadId, PartNumber: part.number, Body: part.bytes, ChecksumCRC32: sum });
    if (this.#bucket.safeTransport) command.middlewareStack.add(leaveUnsigned, { step: "build" });
    let most = 0;
    const answer = await this.#bucket.client.send(command, this.#requestOptions((sent) => {
      // A part that is tried again is no progress until it gets further than before.
      if (sent <= most) return;
      most = sent;
      this.#lastProgress = performance.now();
    }));
    if (answer.ETag === undefined) throw new HoldfastError("store-failed", `the store took part ${part.number} of ${this.#target.Key} without confirming it`);
    this.#compare(`part ${part.number}`, sum, answer.ChecksumCRC32);
    this.#parts.push({ PartNumber: part.number, ETag: answer.ETag, ChecksumCRC32: sum });
    this.#progress(part.bytes.length);
  }

  async #putWhole({ bytes, release }: Part): Promise<string | undefined> {
    const before = await this.#before;
    this.#lastProgress = performance.now();
    const sum = checksum(bytes);
    const command = new PutObjectCommand({ ...this.#target, ...placementOf(this.#bucket.options), Body: bytes, ContentType: "application/octet-stream", ChecksumCRC32: sum });
    if (this.#bucket.safeTransport) command.middlewareStack.add(leaveUnsigned, { step: "build" });
    const sending = this.#bucket.client.send(command, this.#requestOptions(() => { this.#lastProgress = performance.now(); }));
    const answer = await this.#making({ before }, sending);
    this.#compare("the object", sum, answer.ChecksumCRC32);
    this.#progress(bytes.length);
    release();
    return answer.VersionId;
  }

  async #complete(uploadId: string): Promise<string | undefined> {
    const before = await this.#before;
    throwIfCancelled(this.#ends);
    const parts = this.#parts.sort((a, b) => a.PartNumber - b.PartNumber);
    const object: NewObject = { before };
    const command = new CompleteMultipartUploadCommand({ ...this.#target, UploadId: uploadId, MultipartUpload: { Parts: parts } });
    const options: RequestOptions = { abortSignal: this.#ends, idleMs: this.#stallMs() };
    try {
      return (await this.#making(object, this.#bucket.client.send(command, options))).VersionId;
    } catch (error) {
      if (serviceErrorName(error) !== "NoSuchUpload") throw error;
      // Either somebody aborted it, or a first try was carried out and its answer lost.
      const found = await findNew(this.#bucket, this.#target.Key, object, this.#ends);
      if (found?.ContentLength !== this.#storedBytes) throw error;
      this.#object = object;
      return found.VersionId;
    }
  }

  /** Remembers that the object may be there from now on, unless the store refuses the request that makes it. */
  async #making<T>(object: NewObject, request: Promise<T>): Promise<T> {
    this.#object = object;
    try {
      return await request;
    } catch (error) {
      if (isRefusal(error)) this.#object = undefined;
      throw error;
    }
  }

  /** The object that is there now must be the one that was sent, and retained if that was asked for. */
  async #check(versionId: string | undefined): Promise<void> {
    const found = await this.#bucket.client.send(new HeadObjectCommand(this.#target), { abortSignal: this.#ends });
    if (found.ContentLength !== this.#storedBytes) {
      throw new HoldfastError("store-failed", `the store shows ${found.ContentLength ?? "no"} bytes of ${this.#target.Key}, and ${this.#storedBytes} were sent`);
    }
    const lock = this.#bucket.options.objectLock;
    if (lock && isRetained(this.#bucket, this.#target.Key)) await retain(this.#bucket, this.#target.Key, lock, versionId ?? found.VersionId);
    throwIfCancelled(this.#options.signal);
  }

  #compare(what: string, ours: string, theirs: string | undefined): void {
    if (theirs === undefined || theirs === ours) return;
    throw new HoldfastError("store-failed", `the store has another checksum of ${what} of ${this.#target.Key}: CRC32 ${theirs} instead of ${ours}`);
  }

  #progress(bytes: number): void {
    this.#lastProgress = performance.now();
    this.#storedBytes += bytes;
    this.#options.onProgress?.(this.#storedBytes);
  }

  #requestOptions(onSent: (bytes: number) => void): RequestOptions {
    return { abortSignal: this.#ends, onSent };
  }

  #stallMs(): number {
    return this.#bucket.options.stallTimeoutMs ?? defaultLimits.stallTimeoutMs;
  }

  /** A source may be slow; a store that has parts to take and takes nothing is dead. */
  #watchForStall(): NodeJS.Timeout {
    const stallMs = this.#stallMs();
    return setInterval(() => {
      if (this.#underWay.size === 0 || performance.now() - this.#lastProgress < stallMs) return;
      this.#fail(Object.assign(new Error(`no byte of the upload accepted for ${stallMs / 1000} s`), { name: "TimeoutError" }));
    }, Math.max(stallMs / 10, 10));
  }

  /** Keeps the first failure and ends the rest. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    if (!this.#stop.signal.aborted) this.#stop.abort();
  }

  /** Removes what was uploaded. @returns the error to throw: the first failure, with a word if anything may be left */
  async #undo(failure: unknown): Promise<Error> {
    const { signal } = this.#options;
    const doing = `cannot write ${this.#target.Key}`;
    const error = signal?.aborted === true ? cancelled(signal) : s3Failure(failure, doing, this.#bucket.place);
    await Promise.race([Promise.allSettled(this.#underWay), sleep(undoMs.cancelled, undefined, { ref: false })]);
    const withinMs = signal?.aborted === true ? undoMs.cancelled : Math.min(undoMs.failed, this.#bucket.options.requestTimeoutMs ?? undoMs.failed);
    const leftover: Leftover = { multipart: await this.#begunUpload(withinMs), object: this.#object };
    if (leftover.multipart === undefined && leftover.object === undefined) return error;
    const why = await undoUpload(this.#bucket, this.#target.Key, leftover, withinMs);
    if (why === undefined) return error;
    const left = `what was uploaded of ${this.#target.Key} may be left in bucket "${this.#bucket.name}" (${why})`;
    const hints = ["Run `holdfast doctor` later: it shows unfinished uploads; a lifecycle rule of the bucket that aborts them after a day is a good second net."];
    if (error instanceof HoldfastError) return new HoldfastError(error.code, `${error.message}; ${left}`, { hints: [...error.hints, ...hints], cause: error });
    return new HoldfastError("store-failed", `${error.message}; ${left}`, { hints, cause: error });
  }

  /** The multipart upload that there may be; undefined if there is certainly none. */
  async #begunUpload(withinMs: number): Promise<Leftover["multipart"]> {
    if (this.#begun === undefined) return undefined;
    const begun = this.#begun.then(
      (uploadId) => ({ uploadId }),
      (error: unknown) => (isRefusal(error) ? undefined : { uploadId: undefined }),
    );
    return Promise.race([begun, sleep(withinMs, { uploadId: undefined }, { ref: false })]);
  }
}

function checksum(bytes: Uint8Array): string {
  const sum = Buffer.allocUnsafe(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum.toString("base64");
}

/**
 * Spares the SHA-256 over each part that the SDK signs, a third of the upload's CPU. Only where TLS or the kernel's
 * loopback keeps the bytes whole; the CRC32 goes along signed in any case.
 */
function leaveUnsigned<Args extends { request: unknown }, Output>(next: (args: Args) => Promise<Output>): (args: Args) => Promise<Output> {
  return (args) => {
    const { headers } = args.request as { headers: Record<string, string> };
    headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD";
    return next(args);
  };
}
