/** The older images, brought up by Compose in a project of their own, beside a copy of their data and apart from all else. */
import { z } from "zod";

import { HoldfastError, messageOf } from "../../../errors.ts";
import type { WorkloadState } from "../../platform/platform.ts";
import type { RehearsalFile } from "./file.ts";
import { type Engine, lines } from "./engine.ts";
import { rehearsalLabel } from "../mark.ts";
import type { Finding } from "../evidence.ts";
import { composePorts, healthAddress } from "../health-address.ts";
import type { Answering } from "../health-trial.ts";
import { openRelay } from "../relay.ts";
import { throughContainer } from "./carry.ts";
import type { ServiceState } from "../services.ts";

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
export interface ContainerState extends ServiceState {
  readonly container: string;
  readonly image: string;
  readonly exposed: readonly number[];
}

export async function servicesOf(engine: Engine, project: string): Promise<ContainerState[]> {
  const ids = lines(await engine.run("ps", "--all", "--quiet", "--filter", `label=${rehearsalLabel}=${project}`));
  if (ids.length === 0) return [];
  return z.array(stateShape).parse(JSON.parse(await engine.run("inspect", "--type", "container", ...ids))).map(({ Name, Image, Config, State }) => ({
    service: Config.Labels["com.docker.compose.service"] ?? Name.slice(1), container: Name.slice(1), image: Image, status: State.Status, exitCode: State.ExitCode, health: State.Health?.Status,
    exposed: Object.keys(Config.ExposedPorts ?? {}).filter((port) => port.endsWith("/tcp")).map((port) => Number.parseInt(port, 10)),
  }));
}

/** That every container runs what was recorded: Compose was told so, and is not believed. */
export function checkRunning(states: readonly ContainerState[], workloads: readonly WorkloadState[]): Finding {
  const wrong = workloads.flatMap(({ name, images }) => {
    const state = states.find(({ service }) => service === name);
    if (state === undefined) return [`no container of ${name} was made`];
    return state.image === images[0]?.id ? [] : [`${name} runs ${state.image}, not ${images[0]?.id ?? "nothing"}`];
  });
  if (wrong.length > 0) return { outcome: "unverified", detail: wrong.join("; ") };
  return { outcome: "pass", detail: states.map(({ service, image }) => `${service} is ${image}`).join(", ") };
}

/**
 * The service that a URL is about, and the way there.
 * @param through - a container on the network
 * @throws HoldfastError `drill-unverified` if it cannot be told
 */
export async function reachService(engine: Engine, project: string, through: string, { url, workloads }: { readonly url: string; readonly workloads: readonly WorkloadState[] }): Promise<Answering> {
  const exposed = (await servicesOf(engine, project)).flatMap(({ service, exposed: targets }) => targets.map((target) => ({ service, target, published: undefined })));
  const found = healthAddress(url, { services: workloads.map(({ name }) => name), ports: workloads.flatMap(composePorts), exposed });
  if ("why" in found) throw new HoldfastError("drill-unverified", found.why);
  const { service: host, port } = found;
  return { ...(await openRelay(throughContainer(engine, through, { host, port }))), address: `${host}:${port}` };
}
