/**
 * What of a service's configuration is kept in clear, and what only as a hash. A value stays readable if it is surely no
 * secret; everything else becomes `scrypt:…`, from which nobody reads it, but by which it is found again in the
 * configuration of the day when the service has to be made again.
 */
import { scryptSync } from "node:crypto";

import { registerSecret } from "../../../process/redact.ts";
import { without } from "./canonical.ts";

const concealedShape = /^scrypt:[0-9a-f]{64}$/;

export const isConcealed = (value: unknown): value is string => typeof value === "string" && concealedShape.test(value);

export type Hash = (value: string) => string;

/**
 * Secrets are short, and a checkpoint lies in a repository for years: a plain hash would be searched through in minutes, so each
 * guess is made to cost some 40 ms. The salt is the project's, not one for each checkpoint, so that two checkpoints
 * can be compared; that an unchanged secret is seen as unchanged is wanted.
 */
export function slowHash(project: string): Hash {
  const known = new Map<string, string>();
  return (value) => {
    const found = known.get(value) ?? `scrypt:${scryptSync(value, `holdfast compose ${project}`, 32, { N: 2 ** 14, r: 8, p: 1 }).toString("hex")}`;
    known.set(value, found);
    return found;
  };
}

const secretName = /pass|pwd|secret|token|key|cred|dsn|auth|priv|salt|session|cookie|cert|sign|hash|seed|pepper|otp|bearer|jwt|webhook|license|(?:^|[_.-])pin(?:$|[_.-])/i;
const plainWord = /^(?:true|false|yes|no|on|off|null|)$/i;
const simple = /^[A-Za-z0-9 _.,:/@+-]{1,64}$/;
/** Long runs with digits among the letters, and UUIDs: what providers give out as keys. */
const keyLike = /(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;
const loginInUrl = /:\/\/[^/\s]*@/;

/** Whether a value of that name may be kept in clear. */
export function surelyNoSecret(name: string, value: string): boolean {
  if (plainWord.test(value)) return true;
  return !secretName.test(name) && simple.test(value) && !keyLike.test(value) && !loginInUrl.test(value);
}

/** Whether an argument may be kept in clear, after the argument before it. */
function argumentIsClear(argument: string, before: string | undefined): boolean {
  if (keyLike.test(argument) || loginInUrl.test(argument) || isConcealed(argument)) return false;
  if (secretName.test(argument) && !/^--[a-z][a-z-]*$/.test(argument)) return false;
  if (before?.startsWith("-") === true && !before.includes("=") && (secretName.test(before) || /^-[apuPU]$/.test(before))) return /^\d{1,5}$/.test(argument);
  return !/^-p\D/.test(argument);
}

/** Maps whose names the operator makes up, so that anything may stand in them. */
const freeMaps = new Set(["environment", "labels", "annotations", "options", "driver_opts", "args", "sysctls", "extra_hosts"]);
const argumentLists = new Set(["command", "entrypoint", "test"]);

/** A service as `docker compose config` resolves it, without what is not needed to start it, and without a secret. */
export function conceal(service: Readonly<Record<string, unknown>>, hash: Hash): Record<string, unknown> {
  const hidden = (value: string): string => {
    if (value.length >= 8) registerSecret(value.replaceAll("$$", "$"));
    return hash(value);
  };
  const walk = (value: unknown, name: string, free: boolean): unknown => {
    if (typeof value === "string") {
      const clear = free ? surelyNoSecret(name, value) : !loginInUrl.test(value) && !isConcealed(value);
      return clear ? value : hidden(value);
    }
    if (Array.isArray(value)) {
      const list: readonly unknown[] = value;
      if (!argumentLists.has(name)) return list.map((item) => walk(item, name, free));
      return list.map((item, at) => {
        if (typeof item !== "string") return item;
        const before = list[at - 1];
        return argumentIsClear(item, typeof before === "string" ? before : undefined) ? item : hidden(item);
      });
    }
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, key, free || freeMaps.has(name) || key.startsWith("x-"))]));
    }
    return value;
  };
  // How the image is built does not matter where it is there, and would bring the build's secrets in.
  return Object.fromEntries(Object.entries(without(service, "build", "develop")).map(([key, value]) => [key, walk(value, key, key.startsWith("x-"))]));
}

/** Every string below a value, whatever its place. */
export function stringsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

export interface Revealed {
  readonly service: Record<string, unknown>;
  /** Where a value stands that nothing of today has: "environment.SESSION_SECRET". */
  readonly missing: readonly string[];
}

/**
 * Puts the values back that {@link conceal} hid.
 * @param candidates - values of today; those likeliest to fit first, since each costs a hash
 */
export function reveal(service: Readonly<Record<string, unknown>>, candidates: (path: readonly string[]) => Iterable<string>, hash: Hash): Revealed {
  const missing: string[] = [];
  const walk = (value: unknown, path: readonly string[]): unknown => {
    if (isConcealed(value)) {
      for (const candidate of candidates(path)) if (hash(candidate) === value) return candidate;
      missing.push(path.join("."));
      return value;
    }
    if (Array.isArray(value)) return value.map((item, at) => walk(item, [...path, String(at)]));
    if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
    return value;
  };
  return { service: walk(service, []) as Record<string, unknown>, missing };
}
