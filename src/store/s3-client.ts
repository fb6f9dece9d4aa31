/**
 * The SDK's client with time limits that it does not have: no request may move no byte for long, whatever its size, be
 * it while sending, while waiting for the answer or while receiving. A full Ceph accepts a request and never answers.
 */
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { Readable } from "node:stream";

import type { StoreOptions } from "./options.ts";

/** What `send` takes beside a command. */
export interface RequestOptions {
  readonly abortSignal?: AbortSignal;
  /** Bytes of the body that the connection has taken in this attempt. */
  readonly onSent?: (bytes: number) => void;
  /** Milliseconds without a byte moved, instead of the client's own limit. */
  readonly idleMs?: number;
}

/** What the handler is given and gives, as far as it concerns us; the SDK's own types say any. */
interface WireRequest {
  readonly body?: unknown;
}

interface WireAnswer {
  readonly response: { readonly headers: Readonly<Record<string, string>>; readonly body?: unknown };
}

export interface WatchedClient {
  readonly client: S3Client;
  /** The `Date` header of the last answer. */
  serverDate(): Date | undefined;
}

export const defaultLimits = { attempts: 3, requestTimeoutMs: 30_000, stallTimeoutMs: 120_000 } as const;

const slice = 256 * 2 ** 10;
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore, trace: ignore };

function ignore(): void {
  // The SDK's own talk would go past our reporters.
}

export function createClient(options: StoreOptions): WatchedClient {
  const requestTimeoutMs = options.requestTimeoutMs ?? defaultLimits.requestTimeoutMs;
  const config: S3ClientConfig = {
    maxAttempts: options.attempts ?? defaultLimits.attempts,
    retryMode: "standard",
    followRegionRedirects: true,
    // With this header the SDK opens a new connection for each part.
    expectContinueHeader: false,
    logger: silent,
    requestHandler: { connectionTimeout: Math.min(10_000, requestTimeoutMs), logger: silent },
    ...(options.region !== undefined && { region: options.region }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.pathStyle !== undefined && { forcePathStyle: options.pathStyle }),
    ...(options.credentials && { credentials: options.credentials }),
  };
  const client = new S3Client(config);
  let serverDate: Date | undefined;
  const handler = client.config.requestHandler;
  const handle = handler.handle.bind(handler) as (request: WireRequest, options: object) => Promise<WireAnswer>;
  handler.handle = async (request: WireRequest, given: object = {}) => {
    const { onSent, idleMs = requestTimeoutMs, abortSignal, ...rest } = given as RequestOptions;
    const idle = new IdleTimer(idleMs);
    const ends = abortSignal === undefined ? idle.signal : AbortSignal.any([idle.signal, abortSignal]);
    const moved = (bytes: number) => {
      idle.restart();
      onSent?.(bytes);
    };
    try {
      const answer = await handle(inSlices(request, moved), { ...rest, abortSignal: ends });
      const { headers, body } = answer.response;
      const date = Date.parse(headers["date"] ?? "");
      if (!Number.isNaN(date)) serverDate = new Date(date);
      if (body instanceof Readable) watchBody(body, idleMs);
      return answer;
    } catch (error) {
      throw idle.signal.aborted && abortSignal?.aborted !== true ? noByteFor(idleMs) : error;
    } finally {
      idle.stop();
    }
  };
  return { client, serverDate: () => serverDate };
}

/** The SDK retries an error of this name. */
function noByteFor(milliseconds: number): Error {
  return Object.assign(new Error(`no byte moved for ${milliseconds / 1000} s`), { name: "TimeoutError" });
}

class IdleTimer {
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(milliseconds: number) {
    this.#timer = setTimeout(() => { this.#stop.abort(); }, milliseconds);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  restart(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** The same request with a large body in slices, so that a slow line and a dead one can be told apart. */
function inSlices(request: WireRequest, moved: (bytes: number) => void): WireRequest {
  const { body } = request;
  if (!(body instanceof Uint8Array) || body.length <= slice) return request;
  return { ...request, body: Readable.from(slicesOf(body, moved), { objectMode: false, highWaterMark: slice }) };
}

function* slicesOf(body: Uint8Array, moved: (bytes: number) => void): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < body.length; at += slice) {
    yield body.subarray(at, at + slice);
    moved(Math.min(at + slice, body.length));
  }
}

/** Destroys a body from which nothing comes although somebody waits for it; a reader that takes its time is let be. */
function watchBody(body: Readable & { readonly complete?: boolean; readonly socket?: { readonly bytesRead: number } | null }, idleMs: number): void {
  let seen = body.socket?.bytesRead;
  const timer = setInterval(() => {
    const now = body.socket?.bytesRead;
    const waiting = body.readableLength === 0 && body.complete !== true && !body.readableEnded;
    if (waiting && now === seen) body.destroy(noByteFor(idleMs));
    seen = now;
  }, idleMs);
  timer.unref();
  body.once("close", () => { clearInterval(timer); });
}
