/** The configured health check, asked of a release that was brought up on a copy. */
import type { HealthSettings } from "../../config/rollback-settings.ts";
import type { Clock } from "../../ports.ts";
import { awaitHealthy } from "../health/probe.ts";
import type { Finding } from "./evidence.ts";
import type { Relay } from "./relay.ts";

/** What answers in the place of a rehearsal, and the way there from this host. */
export interface Answering extends Relay {
  /** As it is called there: `app:8080`. */
  readonly address: string;
}

export interface HealthTrial {
  readonly settings: HealthSettings;
  /** The release that has to answer. */
  readonly release: string;
  /** What the application has in production and misses here. */
  readonly without: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Asks until it passed as often as it must, or the time is over. @throws the cancellation */
export async function askHealth({ address, port }: Answering, { settings, release, without, clock, signal }: HealthTrial): Promise<Finding> {
  const { pathname, search } = new URL(settings.url);
  const { healthy, health, passedInARow, attempts } = await awaitHealthy({ ...settings, url: `http://127.0.0.1:${port}${pathname}${search}` }, { release, clock, signal });
  const asked = `http://${address}${pathname}`;
  if (healthy) return { outcome: "pass", detail: `${asked} passed ${passedInARow} times in a row: ${health.detail}` };
  const detail = `${asked} did not pass ${settings.times} times in a row within ${settings.timeoutMs / 1000} s (${attempts} attempts); the last answer: ${health.detail}`;
  // What answers says itself what is wrong; what does not may only miss what it has in production.
  if (without.length > 0 && health.detail.startsWith("no answer")) return { outcome: "unverified", detail: `${detail}; it did without ${without.join(", ")}` };
  return { outcome: "fail", detail };
}
