/** The project as Compose resolves it: from its files of today, and as it has to be for a recorded state. */
import { readFile } from "node:fs/promises";
import { z } from "zod";

import { HoldfastError } from "../../../errors.ts";
import type { PlatformState, WorkloadState } from "../platform.ts";
import type { Docker } from "./command.ts";
import { type Hash, reveal, stringsIn, surelyNoSecret } from "./conceal.ts";
import { type Container, imageAt } from "./engine.ts";
import { withoutRecord } from "./record.ts";

export type Service = Readonly<Record<string, unknown>>;
const anything = z.record(z.string(), z.unknown());
const modelShape = z.looseObject({ services: z.record(z.string(), anything).default({}), secrets: z.record(z.string(), anything).optional(), configs: z.record(z.string(), anything).optional() });
/** What `docker compose config` says. Its `$` are doubled, so that it can be given back to Compose. */
export type Model = z.infer<typeof modelShape>;

const envFileHint = "Name every file with variables under envFiles: what only the shell exports is not read.";

/** @throws HoldfastError `configuration` where the files do not make a project */
export async function resolveModel(docker: Docker, signal: AbortSignal): Promise<Model> {
  try {
    return modelShape.parse(JSON.parse(await docker.compose(["config", "--format", "json"], { signal })));
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.hints.length > 0 || error.code !== "configuration") throw error;
    throw new HoldfastError(error.code, error.message, { hints: ["Run `docker compose config` with the same files and environment files.", envFileHint], cause: error });
  }
}

/** The hash that Compose would write on each service's containers. @param model - undefined: the configured files */
export async function configHashes(docker: Docker, model: Model | undefined, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const text = await docker.compose(["config", "--hash", "*"], { signal, ...(model && { model: JSON.stringify(model) }) });
  return new Map(text.split("\n").flatMap((line) => {
    const [name, hash] = line.trim().split(/\s+/);
    return name !== undefined && hash !== undefined ? [[name, hash] as const] : [];
  }));
}

/** Variables that the files name as the source of a secret or configuration: these, and no other, come from our environment. */
export function namedVariables(model: Model): Record<string, string | undefined> {
  const all = [...Object.values(model.secrets ?? {}), ...Object.values(model.configs ?? {})];
  const names = all.flatMap(({ environment }) => (typeof environment === "string" ? [environment] : []));
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

export interface TargetModel {
  readonly model: Model;
  /** Hash of each service of the state, as its containers will carry it; {@link anyHash} where that cannot be foretold. */
  readonly hashes: ReadonlyMap<string, string>;
  /** Values that nothing of today has: "app: environment.FLAGS". The state cannot be made again without them. */
  readonly missing: readonly string[];
  /** Credentials that were changed since: today's are used, since the former ones were revoked for a reason. */
  readonly rotated: readonly string[];
}

/** The project of today with the recorded services in place of its own. */
export async function modelOf(docker: Docker, state: PlatformState, today: Model, containers: readonly Container[], hash: Hash, signal: AbortSignal): Promise<TargetModel> {
  const kept = await environmentFileValues(docker.envFiles);
  const missing: string[] = [];
  const rotated: string[] = [];
  const services: Record<string, Service> = { ...today.services };
  for (const workload of state.workloads) {
    const own = containers.filter(({ service }) => service === workload.name);
    const revealed = reveal(withoutRecord(workload.resolved), (path) => candidatesFor(path, workload.name, today, own, kept), hash);
    for (const { path, name } of revealed.missing.map((each) => ({ path: each, name: each.split(".").at(-1) ?? each }))) {
      const current = at(today.services[workload.name], path.split("."));
      if (path.startsWith("environment.") && typeof current === "string" && isCredential(name, current)) {
        Object.assign(revealed.service["environment"] as object, { [name]: current });
        rotated.push(`${workload.name}: ${path}`);
      } else {
        missing.push(`${workload.name}: ${path}`);
      }
    }
    services[workload.name] = { ...revealed.service, image: await startable(docker, workload, signal), pull_policy: "never" };
  }
  // As `up --no-deps` would drop them: a Compose that counts them in the hash then finds on the containers what was foretold.
  const names = state.workloads.map(({ name }) => name);
  for (const name of names) services[name] = dependingOn(services[name] ?? {}, names);
  const model = { ...today, services };
  return { model, missing, rotated, hashes: missing.length > 0 ? new Map() : withoutForeign(await configHashes(docker, model, signal), services) };
}

/** Stands for every hash: Compose counts the id of the container that a service shares a network or volumes with, which changes with that container. */
export const anyHash = "*";

export const isHash = (expected: string | undefined, found: string): boolean => expected === anyHash || expected === found;

function withoutForeign(hashes: ReadonlyMap<string, string>, services: Readonly<Record<string, Service>>): ReadonlyMap<string, string> {
  return new Map([...hashes].map(([name, hash]) => [name, sharesWithService(services[name] ?? {}) ? anyHash : hash]));
}

/** Whether Compose puts the id of another service's container into its configuration. */
export function sharesWithService(service: Service): boolean {
  const shares = ["network_mode", "pid", "ipc"].some((field) => String(service[field]).startsWith("service:"));
  return shares || (Array.isArray(service["volumes_from"]) && service["volumes_from"].length > 0);
}

/** The reference where it still means the recorded content, since people read it in `docker ps`; otherwise the content id itself. */
async function startable(docker: Docker, workload: WorkloadState, signal: AbortSignal): Promise<string> {
  const [image] = workload.images;
  if (image === undefined) throw new HoldfastError("configuration", `no image is recorded for service ${workload.name}`);
  return (await imageAt(docker, image.reference, signal))?.id === image.id ? image.reference : image.id;
}

/** What a service's image is called: Compose names one that is built and not named after project and service. */
export function imageName(project: string, name: string, { image }: Service): string {
  return typeof image === "string" ? image : `${project}-${name}`;
}

/** The service with only those of its dependencies. */
export function dependingOn(service: Service, names: readonly string[]): Service {
  const { depends_on: dependencies, ...rest } = service;
  if (typeof dependencies !== "object" || dependencies === null) return service;
  const kept = Object.entries(dependencies).filter(([name]) => names.includes(name));
  return kept.length === 0 ? rest : { ...rest, depends_on: Object.fromEntries(kept) };
}

const isCredential = (name: string, value: string): boolean => !surelyNoSecret(name, "x") || /:\/\/[^/\s]*@/.test(value);

function at(value: unknown, path: readonly string[]): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  return typeof value === "object" && value !== null ? at((value as Record<string, unknown>)[first], rest) : undefined;
}

export const escaped = (value: string): string => value.replaceAll("$", "$$$$");

function valuesOf(container: Container, name: string | undefined): string[] {
  return container.environment.flatMap((line) => {
    const equals = line.indexOf("=");
    return equals > 0 && (name === undefined || line.slice(0, equals) === name) ? [escaped(line.slice(equals + 1))] : [];
  });
}

function* candidatesFor(path: readonly string[], service: string, today: Model, own: readonly Container[], kept: readonly string[]): Generator<string> {
  const seen = new Set<string>();
  const fresh = (values: readonly string[]) => values.filter((value) => !seen.has(value) && seen.add(value));
  const name = path.at(-1);
  const here = at(today.services[service], path);
  if (typeof here === "string") yield* fresh([here]);
  // Of its own containers only: an old container of another service may hold what was revoked since.
  if (path[0] === "environment") for (const container of own) yield* fresh(valuesOf(container, name));
  for (const other of Object.values(today.services)) {
    const there = at(other, path);
    if (typeof there === "string") yield* fresh([there]);
  }
  yield* fresh(kept);
  yield* fresh(stringsIn(today.services[service]));
  for (const container of own) yield* fresh([...valuesOf(container, undefined), ...container.command.map(escaped), ...Object.values(container.labels).map(escaped)]);
  yield* fresh(Object.values(today.services).flatMap((other) => stringsIn(other["environment"])));
}

/** Where an operator can keep a former value for the way back, under whatever name. */
async function environmentFileValues(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  return texts.flatMap((text) => text.split("\n")).flatMap((line) => {
    const value = /^\s*(?:export\s+)?[A-Za-z_][\w.-]*=(.*)$/.exec(line)?.[1]?.trim();
    return value === undefined || value === "" ? [] : [escaped(/^(['"])(.*)\1$/.exec(value)?.[2] ?? value)];
  });
}

