/** Asks an application over HTTP, until it answers as expected. Bodies are matched and forgotten. */
import { setTimeout as sleep } from "node:timers/promises";

import { systemCodeOf } from "../../errors.ts";
import type { SmokeTest } from "../../config/drill-settings.ts";

type Expected = NonNullable<SmokeTest["http"]>;

export interface ProbeResult {
  readonly answered: boolean;
  /** Of the last attempt: "status 503", "no answer (ECONNREFUSED)"; never a body. */
  readonly last: string;
  readonly attempts: number;
}

const attemptMs = 5_000;
const pauseMs = 200;
const bodyLimit = 2 ** 20;

/** Asks again until the answer is right or `signal` aborts, whose reason is not thrown. */
export async function probeUntilAnswered(expected: Expected, signal: AbortSignal): Promise<ProbeResult> {
  let last = "not asked";
  let attempts = 0;
  while (!signal.aborted) {
    const { right, said } = await askOnce(expected, signal);
    attempts += 1;
    // What was cut off by the end says nothing about the application.
    if (!cutOff(signal) || attempts === 1) last = said;
    if (right) return { answered: true, last, attempts };
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
  return { answered: false, last, attempts };
}

const cutOff = (signal: AbortSignal): boolean => signal.aborted;

/** Whether anything at all answers there. */
export async function isAnswered(url: string, signal: AbortSignal): Promise<boolean> {
  return fetch(url, { redirect: "manual", signal: AbortSignal.any([signal, AbortSignal.timeout(attemptMs)]) }).then(
    async ({ body }) => { await body?.cancel(); return true; },
    (error: unknown) => !/^(?:ECONNREFUSED|ENOENT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/.test(networkCodeOf(error)),
  );
}

async function askOnce({ url, status, bodyMatches }: Expected, signal: AbortSignal): Promise<{ right: boolean; said: string }> {
  try {
    const response = await fetch(url, { redirect: "manual", signal: AbortSignal.any([signal, AbortSignal.timeout(attemptMs)]) });
    if (response.status !== status || bodyMatches === undefined) {
      await response.body?.cancel();
      return { right: response.status === status, said: `status ${response.status}` };
    }
    const matches = new RegExp(bodyMatches, "u").test(await beginningOf(response));
    return { right: matches, said: `status ${response.status}, with a body that ${matches ? "matches" : "does not match"}` };
  } catch (error) {
    return { right: false, said: `no answer (${networkCodeOf(error)})` };
  }
}

async function beginningOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const body: ReadableStream<Uint8Array> | null = response.body;
  const reader = body?.getReader();
  for (let read = await reader?.read(); read?.done === false && bytes < bodyLimit; read = await reader?.read()) {
    chunks.push(read.value);
    bytes += read.value.length;
  }
  await reader?.cancel();
  return Buffer.concat(chunks).subarray(0, bodyLimit).toString("utf8");
}

function networkCodeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if (error.name === "TimeoutError") return `none within ${attemptMs / 1000} s`;
  return systemCodeOf(error.cause) ?? error.name;
}
