/**
 * Brings the services to a recorded state by `docker compose up`, so that the containers belong to the project as if an
 * operator had deployed them. Everything it overwrites must be what the plan was made for.
 */
import type { ComposeSettings } from "../../../config/rollback-settings.ts";
import { HoldfastError } from "../../../errors.ts";
import type { PlatformState, WorkloadState } from "../platform.ts";
import type { Docker } from "./command.ts";
import type { Hash } from "./conceal.ts";
import { type Container, containersOf } from "./engine.ts";
import { isHash, type Model, modelOf, namedVariables, resolveModel, type TargetModel } from "./model.ts";
import { serviceRecord } from "./record.ts";

export interface Site {
  readonly docker: Docker;
  readonly settings: ComposeSettings;
  readonly hash: Hash;
}

/** What containers may look like, so that they may be replaced: as the plan saw them, or as it wants them. */
export interface Expected {
  readonly now: PlatformState;
  readonly target: PlatformState;
  /** Hash of each target service; empty where its configuration cannot be made again. */
  readonly hashes: ReadonlyMap<string, string>;
  /** Hash of each service of `now` as an undo makes it, which counts as well as the recorded one. */
  readonly nowHashes: ReadonlyMap<string, string>;
}

export const workloadOf = (state: PlatformState, name: string): WorkloadState | undefined => state.workloads.find((workload) => workload.name === name);

const runs = (container: Container, workload: WorkloadState | undefined): boolean => workload?.images.some(({ id }) => id === container.image) === true;

export const isTarget = (container: Container, { target, hashes }: Pick<Expected, "target" | "hashes">): boolean =>
  runs(container, workloadOf(target, container.service)) && isHash(hashes.get(container.service), container.configHash);

function isNow(container: Container, { now, nowHashes }: Expected): boolean {
  const workload = workloadOf(now, container.service);
  return workload !== undefined && runs(container, workload) && [...serviceRecord(workload.resolved).hashes, nowHashes.get(container.service)].some((hash) => isHash(hash, container.configHash));
}

/** @returns what somebody else changed since the plan was made, in sentences */
export function changesBy(containers: readonly Container[], expected: Expected, resumed: boolean): string[] {
  const changed: string[] = [];
  for (const { name } of expected.target.workloads) {
    const own = containers.filter(({ service }) => service === name);
    const strange = own.filter((one) => !isNow(one, expected) && !isTarget(one, expected));
    for (const { name: container, image, configHash } of strange) changed.push(`${container} runs ${image} with the configuration ${configHash.slice(0, 12)}`);
    const standing = own.filter(({ replaces }) => replaces === null).length;
    const was = workloadOf(expected.now, name)?.replicas ?? 0;
    const will = workloadOf(expected.target, name)?.replicas ?? 0;
    if (standing > Math.max(was, will) || (!resumed && standing < Math.min(was, will))) changed.push(`${name} has ${standing} containers, and had ${was}`);
  }
  return changed;
}

export function refuseChanges(changed: readonly string[], project: string): void {
  if (changed.length === 0) return;
  throw new HoldfastError("refused", `somebody else changed project ${project} since the plan was made: ${changed.join("; ")}`, { hints: ["Find out who deployed, then make a new plan: nothing was overwritten."] });
}

export async function planned(site: Site, target: PlatformState, signal: AbortSignal, today?: Model): Promise<TargetModel & { readonly containers: Container[] }> {
  const [model, containers] = await Promise.all([today ?? resolveModel(site.docker, signal), containersOf(site.docker, site.settings.project, signal)]);
  return { ...(await modelOf(site.docker, target, model, containers, site.hash, signal)), containers };
}

/** @returns what is not yet as the state says; empty when all is */
export function differences(containers: readonly Container[], { target, hashes }: Pick<Expected, "target" | "hashes">, running: boolean): string[] {
  return target.workloads.flatMap((workload) => {
    const own = containers.filter(({ service }) => service === workload.name);
    const right = own.filter((one) => one.replaces === null && isTarget(one, { target, hashes }) && (!running || one.running));
    return right.length === workload.replicas && own.length === right.length ? [] : [`${workload.name}: ${right.length} of ${workload.replicas}, among ${own.length}`];
  });
}

const attempts = 3;

export interface BringUp {
  readonly target: PlatformState;
  readonly now: PlatformState;
  /** False: the containers are made and not started, because the writers are to stay stopped. */
  readonly start: boolean;
  /** An earlier run began this and was killed. */
  readonly resumed: boolean;
  readonly signal: AbortSignal;
  /** Called once, before anything changes. */
  readonly begin: () => Promise<void>;
}

export async function bringUp(site: Site, { target, now, start, resumed, signal, begin }: BringUp): Promise<{ readonly rotated: readonly string[] }> {
  const { docker, settings } = site;
  const today = await resolveModel(docker, signal);
  const { model, hashes, missing, rotated, containers } = await planned(site, target, signal, today);
  if (missing.length > 0) throw unknownValues(missing, docker.envFiles);
  const { hashes: nowHashes } = await planned(site, now, signal, today);
  refuseChanges(changesBy(containers, { now, nowHashes, target, hashes }, resumed), settings.project);
  await begin();
  const names = target.workloads.map(({ name }) => name);
  const scales = target.workloads.flatMap(({ name, replicas }) => ["--scale", `${name}=${replicas}`]);
  const how = [...(start ? ["--detach"] : ["--no-start"]), "--no-deps", "--no-build", "--pull", "never", "--remove-orphans=false", ...scales];
  for (let attempt = 1; ; attempt += 1) {
    const before = await containersOf(docker, settings.project, signal);
    refuseChanges(changesBy(before, { now, nowHashes, target, hashes }, true), settings.project);
    await tidyInterrupted(docker, before.filter(({ service }) => names.includes(service)), signal);
    try {
      await docker.compose(["up", ...how, ...names], { model: JSON.stringify(model), env: namedVariables(model), signal, failure: "rollback-failed" });
    } catch (error) {
      // The Compose of a run that was killed may go on for a moment, towards the same state: both then trip over each other.
      if (attempt < attempts && error instanceof HoldfastError && /already in use|already in progress|no such container/i.test(error.message)) continue;
      throw error;
    }
    break;
  }
  const left = differences(await containersOf(docker, settings.project, signal), { target, hashes }, false);
  if (left.length > 0) throw new HoldfastError("rollback-failed", `docker compose ended well, but project ${settings.project} is not as it should be: ${left.join("; ")}`, { hints: ["Look for another deployment that runs at the same time, then run `holdfast rollback resume`."] });
  return { rotated };
}

export function unknownValues(missing: readonly string[], envFiles: readonly string[]): HoldfastError {
  return new HoldfastError("rollback-failed", `only the hash of these values is known, and nothing of today has them: ${missing.join(", ")}`, { hints: [formerValueHint(envFiles)] });
}

export const formerValueHint = (envFiles: readonly string[]): string => `Put each former value, under any name, into ${envFiles[0] ?? "an environment file that is named under envFiles"}: it is found there by its hash.`;

/**
 * Compose replaces a container by making the new one under a makeshift name, stopping and removing the old, and renaming. What it
 * left on that way when it was killed would make the next `up` fail. Where the old one has gone, the new one holds its
 * anonymous volumes, so it is kept and gets its name.
 */
async function tidyInterrupted(docker: Docker, containers: readonly Container[], signal: AbortSignal): Promise<void> {
  for (const container of containers) {
    const makeshift = /^[0-9a-f]{12}_(.+)$/.exec(container.name)?.[1];
    if (container.replaces === null || makeshift === undefined) continue;
    const oldIsThere = containers.some(({ id, name }) => id === container.replaces || name === makeshift);
    await docker.docker(oldIsThere ? ["rm", container.id] : ["rename", container.id, makeshift], signal, "rollback-failed");
  }
}
