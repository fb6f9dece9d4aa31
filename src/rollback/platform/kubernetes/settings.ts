/** The ConfigMaps and Secrets that a pod template refers to, by hash. What is in them is read, hashed and forgotten. */
import type { SettingState } from "../platform.ts";
import { keyedSha256 } from "./json.ts";
import { forbiddenIn, type Kubectl } from "./kubectl.ts";
import { settingObject, type PodTemplate, type SettingObject } from "./objects.ts";
import { containersOf } from "./template.ts";

export interface SettingName {
  readonly kind: "configmap" | "secret";
  readonly name: string;
  /** Pods start without it. */
  readonly optional: boolean;
}

/** Each once, by kind and name; optional only if nothing needs it. */
export function settingsOf(templates: readonly PodTemplate[]): SettingName[] {
  const found = new Map<string, SettingName>();
  for (const { kind, name, optional } of templates.flatMap(references)) {
    const before = found.get(`${kind}/${name}`);
    found.set(`${kind}/${name}`, { kind, name, optional: optional && before?.optional !== false });
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, setting]) => setting);
}

interface Reference {
  readonly name?: string | undefined;
  readonly optional?: boolean | undefined;
}

function references(template: PodTemplate): SettingName[] {
  const configMaps: (Reference | undefined)[] = [];
  const secrets: (Reference | undefined)[] = [];
  for (const { env = [], envFrom = [] } of containersOf(template)) {
    configMaps.push(...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef), ...envFrom.map(({ configMapRef }) => configMapRef));
    secrets.push(...env.map(({ valueFrom }) => valueFrom?.secretKeyRef), ...envFrom.map(({ secretRef }) => secretRef));
  }
  for (const { configMap, secret, projected } of template.spec.volumes ?? []) {
    configMaps.push(configMap, ...(projected?.sources ?? []).map((source) => source.configMap));
    secrets.push(secret && { name: secret.secretName, optional: secret.optional }, ...(projected?.sources ?? []).map((source) => source.secret));
  }
  const named = (kind: SettingName["kind"], found: readonly (Reference | undefined)[]): SettingName[] =>
    found.flatMap((reference) => (reference?.name === undefined || reference.name === "" ? [] : [{ kind, name: reference.name, optional: reference.optional === true }]));
  return [...named("configmap", configMaps), ...named("secret", secrets)];
}

/** How a setting stands in the cluster; `unreadable` where reading it is forbidden. */
export type SettingLook = { readonly state: "there"; readonly sha256: string } | { readonly state: "missing" } | { readonly state: "unreadable" };

/** @throws ToolFailure, unless it is that reading is forbidden */
export async function lookAtSetting(kubectl: Kubectl, { kind, name }: Pick<SettingName, "kind" | "name">, signal: AbortSignal): Promise<SettingLook> {
  try {
    const object = await kubectl.read(settingObject, ["get", `${kind}s`, name, "--ignore-not-found"], { signal });
    return object === undefined ? { state: "missing" } : { state: "there", sha256: settingSha256(object) };
  } catch (error) {
    if (forbiddenIn(error) === undefined) throw error;
    return { state: "unreadable" };
  }
}

/** A ConfigMap may hold a password as well as a Secret: both are hashed with their own uid as the key. */
export function settingSha256({ metadata, type, data, binaryData }: SettingObject): string {
  return keyedSha256(metadata.uid, { type, data, binaryData });
}

/** What is there and can be read; what is not is absent, so that a comparison can say that it is none. */
export async function captureSettings(kubectl: Kubectl, templates: readonly PodTemplate[], signal: AbortSignal): Promise<SettingState[]> {
  const looks = await Promise.all(settingsOf(templates).map(async ({ kind, name }) => ({ kind, name, look: await lookAtSetting(kubectl, { kind, name }, signal) })));
  return looks.flatMap(({ kind, name, look }) => (look.state === "there" ? [{ kind, name, sha256: look.sha256 }] : []));
}
