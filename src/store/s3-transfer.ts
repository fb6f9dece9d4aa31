/**
 * One upload while it goes on, whoever sends it: what ends it, what it has under way, and what it may leave in the store.
 * A way of sending passes the source and every request through here; the first failure of any ends all of them.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { HoldfastError, throwIfCancelled } from "../errors.ts";
import type { S3Bucket } from "./s3-bucket.ts";
import { type Confirmed, compareChecksums } from "./s3-checksum.ts";
import { defaultLimits, type RequestOptions } from "./s3-client.ts";
import { httpStatusOf, isRefusal, serviceErrorName } from "./s3-errors.ts";
import type { PartPlan } from "./s3-parts.ts";
import { type Leftover, type NewObject, findNew, stateOf } from "./s3-undo.ts";
import { cancellable, untilAborted } from "./source.ts";
import type { WriteOptions } from "./store.ts";

/** Sends the whole source and makes it an object. @returns the object's version, where the bucket has versions */
export type Send = (transfer: Transfer, source: AsyncIterable<Uint8Array>) => Promise<string | undefined>;

interface Made {
  readonly VersionId?: string | undefined;
}

export class Transfer {
  readonly bucket: S3Bucket;
  readonly target: { readonly Bucket: string; readonly Key: string };
  readonly plan: PartPlan;
  /** Ends everything that is under way: the caller's signal, or our own after the first failure. */
  readonly ends: AbortSignal;
  readonly #options: WriteOptions;
  readonly #stallMs: number;
  readonly #stop = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();
  /** What was under the key before; asked for while the first part fills. */
  readonly #before: Promise<string | undefined>;
  #failure: { readonly error: unknown } | undefined;
  #begun: Promise<string> | undefined;
  #object: NewObject | undefined;
  #taken = 0;
  #lastProgress = performance.now();

  constructor(bucket: S3Bucket, fullKey: string, plan: PartPlan, options: WriteOptions) {
    this.bucket = bucket;
    this.target = { Bucket: bucket.name, Key: fullKey };
    this.plan = plan;
    this.#options = options;
    this.#stallMs = bucket.options.stallTimeoutMs ?? defaultLimits.stallTimeoutMs;
    this.ends = options.signal ? AbortSignal.any([options.signal, this.#stop.signal]) : this.#stop.signal;
    this.#before = stateOf(bucket, fullKey, this.ends).catch((error: unknown) => {
      // Without the right to look there is nothing to compare with later.
      if (httpStatusOf(error) === undefined) throw error;
      return undefined;
    });
    this.#before.catch(() => undefined);
  }

  /** Bytes that the source has given. */
  get taken(): number {
    return this.#taken;
  }

  /** The first failure of all. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /** Keeps the first failure and ends the rest. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    if (!this.#stop.signal.aborted) this.#stop.abort();
  }

  /** The source, counted, and left at once when the transfer ends; its failure is the transfer's. */
  async *take(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const { partBytes, mostBytes } = this.plan;
    try {
      for await (const chunk of cancellable(source, this.ends)) {
        this.#taken += chunk.length;
        if (this.#taken > mostBytes) {
          throw new HoldfastError("store-failed", `more than ${mostBytes} bytes came for ${this.target.Key}, and ${this.#options.estimate ?? "no"} were expected: its parts of ${partBytes} bytes cannot hold them`, {
            hints: ["Raise the repository's part size."],
          });
        }
        yield chunk;
      }
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** The request that begins the multipart upload. Not ended by the signal: an upload whose id never came would stay behind. */
  async begin<T extends { readonly UploadId?: string | undefined }>(request: () => Promise<T>): Promise<T> {
    throwIfCancelled(this.ends);
    const asked = request();
    this.#begun = asked.then(({ UploadId: id }) => {
      if (id === undefined) throw new HoldfastError("store-failed", `the store began an upload of ${this.target.Key} without naming it`);
      return id;
    });
    return untilAborted(this.#begun.then(() => asked), this.ends);
  }

  /**
   * A request that sends a part, under the eye of the stall limit.
   * @param sum - CRC32 of the part's bytes, asked for only where the store shows its own
   */
  async sendPart<T extends Confirmed>(number: number, sum: () => string, request: (options: RequestOptions) => Promise<T>): Promise<T> {
    if (this.#underWay.size === 0) this.#lastProgress = performance.now();
    let most = 0;
    const sending = request({
      abortSignal: this.ends,
      onSent: (sent) => {
        // A part that is tried again is no progress until it gets further than before.
        if (sent <= most) return;
        most = sent;
        this.#lastProgress = performance.now();
      },
    });
    this.#underWay.add(sending);
    try {
      const answer = await sending;
      compareChecksums(`part ${number} of ${this.target.Key}`, sum, answer);
      return answer;
    } catch (error) {
      this.fail(error);
      throw error;
    } finally {
      this.#underWay.delete(sending);
    }
  }

  /** The request that puts a stream of no more than one part whole. */
  async putWhole<T extends Confirmed & Made>(sum: () => string, request: (options: RequestOptions) => Promise<T>): Promise<T> {
    const answer = await this.#make(() => request({ abortSignal: this.ends }));
    compareChecksums(`the object of ${this.target.Key}`, sum, answer);
    return answer;
  }

  /** The request that makes an object of the parts. */
  async complete<T extends Made>(request: (options: RequestOptions) => Promise<T>): Promise<T | Made> {
    const object: NewObject = { before: await this.#before };
    try {
      return await this.#make(() => request({ abortSignal: this.ends, idleMs: this.#stallMs }));
    } catch (error) {
      if (serviceErrorName(error) !== "NoSuchUpload") throw error;
      // Either somebody aborted it, or a first try was carried out and its answer lost.
      const found = await findNew(this.bucket, this.target.Key, object, this.ends);
      if (found?.ContentLength !== this.#taken) throw error;
      this.#object = object;
      return found;
    }
  }

  /** Remembers that the object may be there from now on, unless the store refuses the request that makes it. */
  async #make<T>(request: () => Promise<T>): Promise<T> {
    const before = await this.#before;
    throwIfCancelled(this.ends);
    this.#object = { before };
    try {
      return await request();
    } catch (error) {
      if (isRefusal(error)) this.#object = undefined;
      throw error;
    }
  }

  /** @param bytes - that the store has confirmed so far */
  progress(bytes: number): void {
    this.#lastProgress = performance.now();
    this.#options.onProgress?.(bytes);
  }

  /** A source may be slow; a store that has parts to take and takes nothing is dead. */
  watchForStall(): NodeJS.Timeout {
    return setInterval(() => {
      if (this.#underWay.size === 0 || performance.now() - this.#lastProgress < this.#stallMs) return;
      this.fail(Object.assign(new Error(`no byte of the upload accepted for ${this.#stallMs / 1000} s`), { name: "TimeoutError" }));
    }, Math.max(this.#stallMs / 10, 10));
  }

  /** Resolves when no part is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  /** What the transfer may have left in the store; waits no longer than `withinMs` for the id of an upload that was begun. */
  async leftover(withinMs: number): Promise<Leftover> {
    const begun = this.#begun?.then(
      (uploadId) => ({ uploadId }),
      (error: unknown) => (isRefusal(error) ? undefined : { uploadId: undefined }),
    );
    const multipart = begun && (await Promise.race([begun, sleep(withinMs, { uploadId: undefined }, { ref: false })]));
    return { multipart, object: this.#object };
  }
}
