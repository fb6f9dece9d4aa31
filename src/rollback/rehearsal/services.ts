/** The services of a release that was brought up: whether each runs, and is healthy by its own health check. */
import { setTimeout as sleep } from "node:timers/promises";

import { throwIfCancelled } from "../../errors.ts";
import type { Finding } from "./evidence.ts";

/** One container of a rehearsal, as the platform sees it. */
export interface ServiceState {
  readonly service: string;
  /** `running`, `created`; anything else has ended. */
  readonly status: string;
  readonly exitCode: number;
  /** By a check that the platform makes: `healthy`, `unhealthy`, `starting`; undefined without one. */
  readonly health: string | undefined;
}

const pollMs = 200;

/**
 * Waits until every service runs, and is healthy where the platform can tell so.
 * @param timeoutMs - 0 to look once
 * @param without - what the application has in production and misses here: one that ends for want of it proves nothing
 * @throws the cancellation
 */
export async function awaitServices(look: () => Promise<readonly ServiceState[]>, { timeoutMs, without, signal }: { readonly timeoutMs: number; readonly without: readonly string[]; readonly signal: AbortSignal }): Promise<Finding> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    throwIfCancelled(signal);
    const states = await look();
    const ended = states.filter(({ status }) => status !== "running" && status !== "created");
    if (ended.length > 0) return whyEnded(ended, without);
    const sick = states.filter(({ health }) => health === "unhealthy");
    if (sick.length > 0) return { outcome: "fail", detail: sick.map(({ service }) => `${service} is unhealthy by its own health check`).join(", ") };
    if (states.every(({ status, health }) => status === "running" && (health === undefined || health === "healthy"))) {
      const checked = states.filter(({ health }) => health !== undefined).map(({ service }) => service);
      return { outcome: "pass", detail: `${states.map(({ service }) => service).join(", ")} run${states.length === 1 ? "s" : ""}; ${checked.length === 0 ? "none has a health check of its own" : `healthy by ${checked.length === 1 ? "its" : "their"} own health check: ${checked.join(", ")}`}` };
    }
    const late = performance.now() > until;
    if (late && timeoutMs === 0) return { outcome: "unverified", detail: `not waited for: ${states.map(({ service, status, health }) => `${service} (${health ?? status})`).join(", ")}` };
    if (late) return { outcome: "fail", detail: `within ${timeoutMs / 1000} s not yet healthy by their own health checks: ${states.filter(({ health }) => health !== "healthy").map(({ service, health }) => `${service} (${health ?? "no health check"})`).join(", ")}` };
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/** What it means that services have ended. @param without - as in {@link awaitServices} */
export function whyEnded(ended: readonly Pick<ServiceState, "service" | "exitCode">[], without: readonly string[]): Finding {
  const told = ended.map(({ service, exitCode }) => `${service} ended with exit status ${exitCode}`).join(", ");
  if (without.length === 0) return { outcome: "fail", detail: told };
  return { outcome: "unverified", detail: `${told}; whether that is for want of what it has in production, or because it does not fit the data, cannot be told: ${without.join(", ")}` };
}
