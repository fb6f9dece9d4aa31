/**
 * The Compose file of a rehearsal, made of what a checkpoint recorded. Only fields that are named here are taken over, so
 * that nothing which reaches out of the project comes along: no port, no volume, no network but the one that leads nowhere.
 */
import { isConcealed } from "../../platform/compose/conceal.ts";
import { withoutRecord } from "../../platform/compose/record.ts";
import type { WorkloadState } from "../../platform/platform.ts";
import { type Labels, rehearsalLabel } from "../mark.ts";
import { placeholder } from "../placeholder.ts";

export interface RehearsalProject {
  readonly project: string;
  readonly labels: Labels;
  /** The variable in which the application finds its database, and the URL of the copy; secret. */
  readonly database: { readonly variable: string; readonly url: string };
}

export interface RehearsalFile {
  /** JSON, which every reader of YAML understands. It holds the URL of the copy. */
  readonly text: string;
  /** What the application has in production and does without here. */
  readonly leftOut: readonly string[];
  /** `app: SESSION_SECRET`. */
  readonly placeholders: readonly string[];
  /** Services that have no variable in which the URL of the copy could be put. */
  readonly withoutDatabase: readonly string[];
  /** Services of whose command only a hash is known: what they would run instead is not the release. */
  readonly withoutCommand: readonly string[];
}

/** Said of the process and of what it may take; nothing of it leads anywhere. */
const takenOver = new Set([
  "command", "entrypoint", "user", "group_add", "working_dir", "healthcheck", "tmpfs", "read_only", "init", "stop_signal", "stop_grace_period",
  "shm_size", "ulimits", "mem_limit", "mem_reservation", "cpus", "cap_drop", "hostname", "platform", "tty",
]);

/** Left out without a word: each is replaced by the rehearsal's own, or says only where the service is found. */
const replaced = new Set([
  "image", "build", "pull_policy", "environment", "env_file", "networks", "ports", "expose", "restart", "container_name", "labels", "logging", "deploy", "scale",
  "profiles", "dns", "dns_search", "dns_opt", "annotations", "attach", "depends_on",
]);

/** @param workloads - services with their recorded configuration */
export function rehearsalFile(workloads: readonly WorkloadState[], { project, labels, database }: RehearsalProject): RehearsalFile {
  const leftOut: string[] = [];
  const placeholders: string[] = [];
  const withoutDatabase: string[] = [];
  const withoutCommand: string[] = [];
  const names = new Set(workloads.map(({ name }) => name));
  const services: Record<string, unknown> = {};
  for (const { name, images, resolved: recorded } of workloads) {
    const resolved = withoutRecord(recorded);
    const kept = Object.entries(resolved).filter(([field, value]) => takenOver.has(field) && !isEmpty(value) && !holdsConcealed(value));
    leftOut.push(...Object.entries(resolved).flatMap(([field, value]) => missing(field, value).map((what) => `${name}: ${what}`)));
    leftOut.push(...namesIn(resolved["depends_on"]).filter((other) => !names.has(other)).map((other) => `${name}: the service ${other}`));
    const environment = environmentOf(resolved["environment"]);
    const hidden = Object.entries(environment).filter(([variable, value]) => variable !== database.variable && isConcealed(value)).map(([variable]) => variable);
    placeholders.push(...hidden.map((variable) => `${name}: ${variable}`));
    if (["command", "entrypoint"].some((field) => holdsConcealed(resolved[field]))) withoutCommand.push(name);
    if (environment[database.variable] === undefined) withoutDatabase.push(name);
    services[name] = {
      ...Object.fromEntries(kept),
      image: images[0]?.id,
      pull_policy: "never",
      environment: {
        ...environment,
        ...Object.fromEntries(hidden.map((variable) => [variable, placeholder])),
        ...(environment[database.variable] !== undefined && { [database.variable]: plain(database.url) }),
      },
      networks: { isolated: { aliases: [name] } },
      // Docker's resolver would ask the host's for names that it does not know, also from a network that leads nowhere.
      dns: ["127.0.0.1"],
      restart: "no",
      // What an application writes may hold rows, and an engine may send it anywhere.
      logging: { driver: "none" },
      pids_limit: 2048,
      labels: Object.fromEntries(Object.entries({ ...labels, [rehearsalLabel]: project }).map(([label, value]) => [label, plain(value)])),
    };
  }
  const file = { name: project, services, networks: { isolated: { external: true, name: project } } };
  return { text: JSON.stringify(file, null, 2), leftOut, placeholders, withoutDatabase, withoutCommand };
}

/** What of a field the application will miss, in words. */
function missing(field: string, value: unknown): string[] {
  if (isEmpty(value) || replaced.has(field)) return [];
  if (takenOver.has(field)) return holdsConcealed(value) ? [`${field}, of which only a hash is known`] : [];
  if ((field === "volumes" || field === "configs" || field === "secrets") && Array.isArray(value)) return value.map((each) => `${field.slice(0, -1)} ${targetOf(each)}`);
  return [field];
}

function targetOf(mount: unknown): string {
  if (typeof mount === "string") return mount.split(":")[1] ?? mount;
  const { target, source } = (mount ?? {}) as { readonly target?: unknown; readonly source?: unknown };
  return typeof target === "string" ? target : typeof source === "string" ? source : "without a name";
}

/** As a mapping or as a list; a variable without a value was to come from the environment of whoever ran Compose. */
function environmentOf(value: unknown): Record<string, string> {
  if (Array.isArray(value)) return Object.fromEntries(value.flatMap((each) => (typeof each === "string" && each.includes("=") ? [[each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]] : [])));
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).flatMap(([name, each]) => (typeof each === "string" || typeof each === "number" || typeof each === "boolean" ? [[name, String(each)]] : [])));
}

function namesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.filter((each) => typeof each === "string");
  return typeof value === "object" && value !== null ? Object.keys(value) : [];
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === false || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
}

function holdsConcealed(value: unknown): boolean {
  if (typeof value === "string") return isConcealed(value);
  return typeof value === "object" && value !== null && Object.values(value).some(holdsConcealed);
}

/** Compose reads a dollar sign as the beginning of a variable; what it wrote itself, as the recorded configuration, has them doubled. */
function plain(text: string): string {
  return text.replaceAll("$", "$$$$");
}
