/** What Docker says of a project's containers and of images. */
import { z } from "zod";

import { HoldfastError } from "../../../errors.ts";
import type { Docker } from "./command.ts";

const inspected = z.object({
  Id: z.string(),
  Name: z.string(),
  Created: z.string(),
  Image: z.string(),
  State: z.object({
    StartedAt: z.string(),
    Status: z.string(),
    Running: z.boolean(),
    Paused: z.boolean(),
    Restarting: z.boolean(),
    ExitCode: z.number(),
    Health: z.object({ Status: z.string() }).nullish(),
  }),
  Config: z.object({
    Image: z.string(),
    Env: z.array(z.string()).nullish(),
    Cmd: z.array(z.string()).nullish(),
    Labels: z.record(z.string(), z.string()).nullish(),
    Healthcheck: z.object({ Test: z.array(z.string()).nullish() }).nullish(),
  }),
});

export interface Container {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  /** Content id of the image that it really runs. */
  readonly image: string;
  /** As its configuration wrote it. */
  readonly reference: string;
  /** Of the service's configuration, as the Compose that made it counted it. */
  readonly configHash: string;
  readonly createdAt: Date;
  /** When it was started last, as the engine writes it. */
  readonly startedAt: string;
  readonly running: boolean;
  readonly status: string;
  readonly exitCode: number;
  /** Null without a health check. */
  readonly health: string | null;
  readonly environment: readonly string[];
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** The container that this one is about to replace, or was when Compose was interrupted: it was made, and never started. */
  readonly replaces: string | null;
}

/** What Compose calls a container until the one that it replaces is gone. */
const makeshiftName = /^\/[0-9a-f]{12}_/;

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** All containers of the project's services, stopped ones included, one-off runs (`compose run`) only where they are asked for. */
export async function containersOf(docker: Docker, project: string, signal: AbortSignal, oneOff = false): Promise<Container[]> {
  const filters = [`label=com.docker.compose.project=${project}`, `label=com.docker.compose.oneoff=${oneOff ? "True" : "False"}`];
  const ids = lines(await docker.docker(["ps", "--all", "--quiet", "--no-trunc", ...filters.flatMap((filter) => ["--filter", filter])], signal));
  const all = await Promise.all(ids.map((id) => inspect(docker, id, signal)));
  return all.filter((one) => one !== undefined).sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** @returns undefined where the container has gone in the meantime */
async function inspect(docker: Docker, id: string, signal: AbortSignal): Promise<Container | undefined> {
  let text: string;
  try {
    text = await docker.docker(["container", "inspect", id], signal);
  } catch (error) {
    if (error instanceof HoldfastError && /no such container/i.test(error.message)) return undefined;
    throw error;
  }
  const [one] = z.array(inspected).min(1).parse(JSON.parse(text));
  if (one === undefined) return undefined;
  const labels = one.Config.Labels ?? {};
  const replaces = labels["com.docker.compose.replace"];
  return {
    id: one.Id,
    name: one.Name.replace(/^\//, ""),
    service: labels["com.docker.compose.service"] ?? "",
    image: one.Image,
    reference: one.Config.Image,
    configHash: labels["com.docker.compose.config-hash"] ?? "",
    createdAt: new Date(one.Created),
    startedAt: one.State.StartedAt,
    running: one.State.Running,
    status: one.State.Status,
    exitCode: one.State.ExitCode,
    health: one.State.Health?.Status ?? null,
    environment: one.Config.Env ?? [],
    command: one.Config.Cmd ?? [],
    labels,
    replaces: replaces !== undefined && makeshiftName.test(one.Name) ? replaces : null,
  };
}

const imageInspected = z.object({
  Id: z.string(),
  RepoTags: z.array(z.string()).nullish(),
  RepoDigests: z.array(z.string()).nullish(),
  Config: z.object({
    Env: z.array(z.string()).nullish(),
    Volumes: z.record(z.string(), z.unknown()).nullish(),
    Healthcheck: z.object({ Test: z.array(z.string()).nullish() }).nullish(),
  }).nullish(),
});

export interface Image {
  readonly id: string;
  /** `registry/app@sha256:…`: where it can be pulled from by its content; none for an image that was built here. */
  readonly digests: readonly string[];
  readonly environment: readonly string[];
  readonly volumes: readonly string[];
  readonly healthChecked: boolean;
}

/** @returns undefined where this engine has no such image */
export async function imageAt(docker: Docker, reference: string, signal: AbortSignal): Promise<Image | undefined> {
  let text: string;
  try {
    text = await docker.docker(["image", "inspect", reference], signal);
  } catch (error) {
    if (error instanceof HoldfastError && /no such image|invalid reference format/i.test(error.message)) return undefined;
    throw error;
  }
  const [one] = z.array(imageInspected).min(1).parse(JSON.parse(text));
  if (one === undefined) return undefined;
  const test = one.Config?.Healthcheck?.Test ?? [];
  return {
    id: one.Id,
    digests: one.RepoDigests ?? [],
    environment: one.Config?.Env ?? [],
    volumes: Object.keys(one.Config?.Volumes ?? {}),
    healthChecked: test.length > 0 && test[0] !== "NONE",
  };
}
