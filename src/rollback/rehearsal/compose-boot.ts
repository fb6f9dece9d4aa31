/** The older images, brought up by Compose in a project of their own, beside a copy of their data and apart from all else. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

import type { HealthSettings } from "../../config/rollback-settings.ts";
import { HoldfastError, messageOf, throwIfCancelled } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import { awaitHealthy } from "../health/probe.ts";
import type { WorkloadState } from "../platform/platform.ts";
import type { RehearsalFile } from "./compose-file.ts";
import { type Engine, lines, rehearsalLabel } from "./engine.ts";
import type { Finding } from "./evidence.ts";
import { type HealthAddress, healthAddress } from "./health-address.ts";
import { openRelay } from "./relay.ts";

/** Whether the recorded images are on the engine, by their content. One that is gone can not be rolled back to either. */
export async function checkImages(engine: Engine, workloads: readonly WorkloadState[]): Promise<Finding> {
  const images = workloads.flatMap(({ name, images: each }) => each.map((image) => ({ name, ...image })));
  const found = await Promise.all(images.map(({ id }) => engine.run("image", "inspect", "--format", "{{.Id}}", id).catch((error: unknown) => error)));
  const missing = images.filter((_, index) => found[index] instanceof Error);
  const silent = found.find((each): each is Error => each instanceof Error && !/no such image/i.test(messageOf(each)));
  if (silent !== undefined) return { outcome: "unverified", detail: `the engine could not be asked: ${messageOf(silent)}` };
  if (missing.length > 0) return { outcome: "fail", detail: `gone from the engine: ${missing.map(({ name, reference, id }) => `${reference} of ${name} (${id})`).join(", ")}; no rollback could start ${missing.length === 1 ? "it" : "them"} either` };
  return { outcome: "pass", detail: images.map(({ name, reference, id }) => `${name}: ${reference} (${id})`).join(", ") };
}

/** Makes the containers, and starts none. @throws ToolFailure if Compose refuses */
export async function createServices(engine: Engine, project: string, file: RehearsalFile): Promise<void> {
  await engine.feed(file.text, "compose", "--project-name", project, "--file", "-", "--env-file", "/dev/null", "create", "--pull", "never", "--no-build");
}

export async function startServices(engine: Engine, project: string): Promise<void> {
  const ids = lines(await engine.run("ps", "--all", "--quiet", "--filter", `label=${rehearsalLabel}=${project}`));
  if (ids.length > 0) await engine.run("start", ...ids);
}

const stateShape = z.object({
  Name: z.string(),
  Image: z.string(),
  Config: z.object({ Labels: z.record(z.string(), z.string()), ExposedPorts: z.record(z.string(), z.unknown()).nullish() }),
  State: z.object({ Status: z.string(), ExitCode: z.number(), OOMKilled: z.boolean().optional(), Health: z.object({ Status: z.string(), FailingStreak: z.number() }).nullish() }),
});

/** One container of a rehearsal, as the engine sees it. */
export interface ServiceState {
  readonly service: string;
  readonly container: string;
  readonly image: string;
  /** `running`, `exited`… */
  readonly status: string;
  readonly exitCode: number;
  /** By the health check of the image or of the service; undefined without one. */
  readonly health: string | undefined;
  readonly exposed: readonly number[];
}

export async function servicesOf(engine: Engine, project: string): Promise<ServiceState[]> {
  const ids = lines(await engine.run("ps", "--all", "--quiet", "--filter", `label=${rehearsalLabel}=${project}`));
  if (ids.length === 0) return [];
  return z.array(stateShape).parse(JSON.parse(await engine.run("inspect", "--type", "container", ...ids))).map(({ Name, Image, Config, State }) => ({
    service: Config.Labels["com.docker.compose.service"] ?? Name.slice(1), container: Name.slice(1), image: Image, status: State.Status, exitCode: State.ExitCode, health: State.Health?.Status,
    exposed: Object.keys(Config.ExposedPorts ?? {}).filter((port) => port.endsWith("/tcp")).map((port) => Number.parseInt(port, 10)),
  }));
}

/** That every container runs what was recorded: Compose was told so, and is not believed. */
export function checkRunning(states: readonly ServiceState[], workloads: readonly WorkloadState[]): Finding {
  const wrong = workloads.flatMap(({ name, images }) => {
    const state = states.find(({ service }) => service === name);
    if (state === undefined) return [`no container of ${name} was made`];
    return state.image === images[0]?.id ? [] : [`${name} runs ${state.image}, not ${images[0]?.id ?? "nothing"}`];
  });
  if (wrong.length > 0) return { outcome: "unverified", detail: wrong.join("; ") };
  return { outcome: "pass", detail: states.map(({ service, image }) => `${service} is ${image}`).join(", ") };
}

const pollMs = 200;

/**
 * Waits until every service runs, and is healthy where something on the engine can tell so.
 * @param timeoutMs - 0 to look once
 * @param without - what the application has in production and misses here: one that ends for want of it proves nothing
 * @throws the cancellation
 */
export async function awaitServices(engine: Engine, project: string, { timeoutMs, without, signal }: { readonly timeoutMs: number; readonly without: readonly string[]; readonly signal: AbortSignal }): Promise<Finding> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    throwIfCancelled(signal);
    const states = await servicesOf(engine, project);
    const ended = states.filter(({ status }) => status !== "running" && status !== "created");
    if (ended.length > 0) {
      const told = ended.map(({ service, exitCode }) => `${service} ended with exit status ${exitCode}`).join(", ");
      if (without.length === 0) return { outcome: "fail", detail: told };
      return { outcome: "unverified", detail: `${told}; whether that is for want of what it has in production, or because it does not fit the data, cannot be told: ${without.join(", ")}` };
    }
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

export interface HealthTrial {
  /** A container on the network, through which it is asked. */
  readonly through: string;
  readonly settings: HealthSettings;
  readonly workloads: readonly WorkloadState[];
  /** The release that has to answer. */
  readonly release: string;
  /** As in {@link awaitServices}. */
  readonly without: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The service that the health check is about. @throws HoldfastError `drill-unverified` if it cannot be told */
export async function locateHealth(engine: Engine, project: string, { settings, workloads }: Pick<HealthTrial, "settings" | "workloads">): Promise<HealthAddress> {
  const exposed = new Map((await servicesOf(engine, project)).map(({ service, exposed: ports }) => [service, ports]));
  const found = healthAddress(settings.url, workloads, exposed);
  if ("service" in found) return found;
  throw new HoldfastError("drill-unverified", found.why);
}

/** Asks the configured health check, at the service itself. @throws the cancellation */
export async function checkHealth(engine: Engine, address: HealthAddress, trial: HealthTrial): Promise<Finding> {
  const { through, settings, release, clock, signal, without } = trial;
  const { pathname, search } = new URL(settings.url);
  const relay = await openRelay(engine, through, { host: address.service, port: address.port });
  try {
    const { healthy, health, passedInARow, attempts } = await awaitHealthy({ ...settings, url: `http://127.0.0.1:${relay.port}${pathname}${search}` }, { release, clock, signal });
    const asked = `http://${address.service}:${address.port}${pathname}`;
    if (healthy) return { outcome: "pass", detail: `${asked} passed ${passedInARow} times in a row: ${health.detail}` };
    const detail = `${asked} did not pass ${settings.times} times in a row within ${settings.timeoutMs / 1000} s (${attempts} attempts); the last answer: ${health.detail}`;
    // What answers says itself what is wrong; what does not may only miss what it has in production.
    if (without.length > 0 && health.detail.startsWith("no answer")) return { outcome: "unverified", detail: `${detail}; it did without ${without.join(", ")}` };
    return { outcome: "fail", detail };
  } finally {
    await relay.close();
  }
}
