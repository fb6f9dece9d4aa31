/**
 * ConfigMaps and Secrets for the pods of a rehearsal, by the names under which they look for them. A ConfigMap that is as it
 * was recorded is copied; of everything else only the keys are taken, and stand for placeholders. No Secret is ever read.
 */
import type { SettingState } from "../../platform/platform.ts";
import { allowed, type Kubectl } from "../../platform/kubernetes/kubectl.ts";
import { settingObject, type PodTemplate } from "../../platform/kubernetes/objects.ts";
import { settingSha256, settingsOf, type SettingName } from "../../platform/kubernetes/settings.ts";
import { placeholder } from "../placeholder.ts";
import { listOf, objectOf } from "./admitted.ts";
import type { KubernetesObject } from "./namespace.ts";

export interface StandIn {
  readonly setting: SettingName;
  /** Undefined where nothing is known of it: pods that do not need it start without. */
  readonly object: KubernetesObject | undefined;
  readonly keys: readonly string[];
  readonly copied: boolean;
}

/** Every namespace has it already. */
const everywhere = "kube-root-ca.crt";

/** @param kubectl - in the namespace of the release @throws ToolFailure, unless it is that reading is forbidden */
export async function standInsFor(kubectl: Kubectl, templates: readonly PodTemplate[], recorded: readonly SettingState[], labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<StandIn[]> {
  const needed = settingsOf(templates).filter(({ name }) => name !== everywhere);
  return Promise.all(needed.map(async (setting) => {
    const metadata = { name: setting.name, labels };
    const referred = templates.flatMap((template) => keysReferredTo(template, setting));
    if (setting.kind === "configmap") {
      const live = await allowed(kubectl.read(settingObject, ["get", "configmaps", setting.name, "--ignore-not-found"], { signal }));
      if (live !== "forbidden" && live !== undefined) {
        const { data, binaryData } = live;
        const known = recorded.find(({ kind, name }) => kind === "configmap" && name === setting.name);
        if (known?.sha256 === settingSha256(live)) return { setting, object: { apiVersion: "v1", kind: "ConfigMap", metadata, data, binaryData }, keys: [...Object.keys(data), ...Object.keys(binaryData)], copied: true };
        return placeholders(setting, metadata, [...referred, ...Object.keys(data), ...Object.keys(binaryData)]);
      }
      return placeholders(setting, metadata, referred);
    }
    return placeholders(setting, metadata, [...referred, ...(await keysOfSecret(kubectl, setting.name, signal))]);
  }));
}

function placeholders(setting: SettingName, metadata: KubernetesObject, found: readonly string[]): StandIn {
  const keys = [...new Set(found)].sort();
  const content = Object.fromEntries(keys.map((key) => [key, placeholder]));
  const object = setting.kind === "configmap" ? { apiVersion: "v1", kind: "ConfigMap", metadata, data: content } : { apiVersion: "v1", kind: "Secret", metadata, stringData: content };
  return { setting, object: keys.length === 0 ? undefined : object, keys, copied: false };
}

/** Names only: the values stay with kubectl. Empty where it is not there, or may not be read. */
async function keysOfSecret(kubectl: Kubectl, name: string, signal: AbortSignal): Promise<string[]> {
  const template = '{{range $key, $value := .data}}{{$key}}{{"\\n"}}{{end}}';
  const said = await allowed(kubectl.run(["get", "secrets", name, "--ignore-not-found", "--output", `go-template=${template}`], { signal }));
  return said === "forbidden" ? [] : said.split("\n").filter((key) => key !== "");
}

function keysReferredTo({ spec }: PodTemplate, { kind, name }: SettingName): string[] {
  const isIt = (reference: unknown): boolean => objectOf(reference)["name"] === name || objectOf(reference)["secretName"] === name;
  const [keyRef, source] = kind === "configmap" ? ["configMapKeyRef", "configMap"] : ["secretKeyRef", "secret"];
  const ofVariables = [...(spec.initContainers ?? []), ...spec.containers].flatMap(({ env = [] }) => env.map(({ valueFrom }) => objectOf(objectOf(valueFrom)[keyRef])).filter(isIt).map(({ key }) => key));
  const sources = (spec.volumes ?? []).flatMap((volume) => [objectOf(objectOf(volume)[source]), ...listOf(objectOf(volume.projected)["sources"]).map((each) => objectOf(each[source]))]);
  const ofFiles = sources.filter(isIt).flatMap(({ items }) => listOf(items).map(({ key }) => key));
  return [...ofVariables, ...ofFiles].filter((key) => typeof key === "string");
}

/** In words, for the evidence: what is a placeholder, and what is missing. */
export function namedStandIns(standIns: readonly StandIn[]): { readonly placeholders: string[]; readonly leftOut: string[] } {
  const stood = standIns.filter(({ copied }) => !copied);
  const word = ({ kind, name }: SettingName): string => `${kind} ${name}`;
  return {
    placeholders: stood.flatMap(({ setting, keys }) => keys.map((key) => `${word(setting)}: ${key}`)),
    leftOut: stood.filter(({ object }) => object === undefined).map(({ setting }) => `${word(setting)}, of whose keys nothing is known`),
  };
}
