/**
 * Asks an application how it is. Each question opens a connection of its own: one that was kept open could still lead
 * to the container that was replaced.
 */
import { type IncomingMessage, request } from "node:http";
import { request as secureRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

import type { HealthSettings } from "../../config/rollback-settings.ts";
import { systemCodeOf, throwIfCancelled } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import { shownUrl } from "../../text/shown-url.ts";
import { judgeAnswer } from "./answer.ts";
import type { Health } from "./health.ts";

export interface HealthQuestion {
  /** The release that is expected, for `{release}` in the configuration; without it, what names it is not compared. */
  readonly release?: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface SettledHealth {
  /** Whether it passed as often in a row as it must, in time. */
  readonly healthy: boolean;
  /** The last answer, which may be a good one where there were too few in a row. */
  readonly health: Health;
  readonly passedInARow: number;
  readonly attempts: number;
}

const attemptMs = 5_000;
const bodyLimit = 2 ** 20;

/** Asks once. @throws the cancellation; whatever is wrong with the application is in the answer */
export function checkHealth(settings: HealthSettings, question: HealthQuestion): Promise<Health> {
  return askOnce(settings, question, AbortSignal.timeout(attemptMs));
}

/**
 * Asks until it has passed `times` in a row, or the time is over. One failure starts the count anew.
 * @throws the cancellation
 */
export async function awaitHealthy(settings: HealthSettings, question: HealthQuestion): Promise<SettledHealth> {
  const over = AbortSignal.timeout(settings.timeoutMs);
  const ended = AbortSignal.any([over, question.signal]);
  let health: Health | undefined;
  let passedInARow = 0;
  let attempts = 0;
  do {
    const answer = await askOnce(settings, question, AbortSignal.any([over, AbortSignal.timeout(attemptMs)]));
    // What the end of the time cut off says nothing about the application.
    if (health !== undefined && over.aborted && !answer.healthy) break;
    health = answer;
    attempts += 1;
    passedInARow = answer.healthy ? passedInARow + 1 : 0;
    if (passedInARow >= settings.times) return { healthy: true, health, passedInARow, attempts };
    await sleep(settings.intervalMs, undefined, { signal: ended }).catch(() => undefined);
    throwIfCancelled(question.signal);
  } while (!over.aborted);
  return { healthy: false, health, passedInARow, attempts };
}

async function askOnce(settings: HealthSettings, { release, clock, signal }: HealthQuestion, limit: AbortSignal): Promise<Health> {
  throwIfCancelled(signal);
  const answered = await fetchAnswer(settings.url, AbortSignal.any([signal, limit])).then(
    ({ status, body }) => judgeAnswer(settings, status, body, release),
    (error: unknown) => ({ healthy: false, detail: `no answer (${whyNot(error, limit)})`, version: null }),
  );
  throwIfCancelled(signal);
  return { url: shownUrl(settings.url), ...answered, at: clock.now().toISOString() };
}

interface Answer {
  readonly status: number;
  /** Its beginning; undefined where it is longer than anybody's health. */
  readonly body: string | undefined;
}

/** One request on a connection of its own; a redirect is an answer like any other. */
function fetchAnswer(url: string, signal: AbortSignal): Promise<Answer> {
  const ask = new URL(url).protocol === "https:" ? secureRequest : request;
  return new Promise((resolve, reject) => {
    const asked = ask(url, { agent: false, signal, headers: { accept: "application/json", "user-agent": "holdfast", "cache-control": "no-cache" } }, (response) => {
      readBody(response).then((body) => { resolve({ status: response.statusCode ?? 0, body }); }, reject).finally(() => asked.destroy());
    });
    asked.on("error", reject).end();
  });
}

async function readBody(response: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyLimit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function whyNot(error: unknown, limit: AbortSignal): string {
  if (limit.aborted) return "none in time";
  return systemCodeOf(error) ?? (error instanceof Error ? error.name : "unknown");
}
