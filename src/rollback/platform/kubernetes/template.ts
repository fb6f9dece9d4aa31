/** Pod templates: made comparable wherever they were read, hashed, and told apart. */
import { sha256Of, without } from "./json.ts";
import { podTemplate, type Container, type PodTemplate } from "./objects.ts";
import { withoutSecrets } from "./secrets.ts";

/** Written by `kubectl rollout restart`: the pods are made anew, of the same configuration. */
const restartedAt = "kubectl.kubernetes.io/restartedAt";

/** The template without what its holder adds to it: a ReplicaSet the hash, a ControllerRevision the way it is patched. */
export function plainTemplate(raw: PodTemplate): PodTemplate {
  const { metadata = {}, ...rest } = withoutNulls(raw) as PodTemplate;
  const labels = without(metadata.labels ?? {}, "pod-template-hash");
  return { ...without(rest, "$patch"), spec: rest.spec, metadata: { ...without(metadata, "creationTimestamp"), labels } };
}

/** Encoders differ in whether they write what is not set. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, member]) => (member === null ? [] : [[key, withoutNulls(member)]])));
}

/** A template as it may be kept: nothing in it is secret. */
export type ResolvedTemplate = PodTemplate & { readonly __kept?: never };

/** @param uid - of the workload: hashes of two workloads never compare */
export function resolvedTemplate(raw: PodTemplate, uid: string): ResolvedTemplate {
  return withoutSecrets(plainTemplate(raw), uid) as ResolvedTemplate;
}

/** All containers that a pod of the template runs, those that prepare it among them. */
export function containersOf({ spec }: PodTemplate): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}

/** Tells two templates apart; taken over what is kept of them, so that it gives away no secret either. */
export function templateSha256(template: ResolvedTemplate): string {
  return sha256Of(template);
}

/** The same for a template whose pods somebody had made anew in between. */
export function lastingSha256(template: ResolvedTemplate): string {
  return sha256Of(withoutRestart(template));
}

/** The same without the hashes of secrets, whose key is another one where the workload was deleted and made again. */
export function unkeyedSha256(template: ResolvedTemplate): string {
  return sha256Of(JSON.parse(JSON.stringify(withoutRestart(template)).replaceAll(/hmac-sha256:[0-9a-f]{64}/g, "hmac-sha256")));
}

/** The configuration beside the images: two releases that differ in their images only have the same. */
export function configurationSha256(template: ResolvedTemplate): string {
  const { spec, ...rest } = withoutRestart(template);
  const imageless = (containers: readonly Container[]): unknown[] => containers.map((container) => without(container, "image"));
  return sha256Of({ ...rest, spec: { ...spec, containers: imageless(spec.containers), initContainers: imageless(spec.initContainers ?? []) } });
}

function withoutRestart(template: ResolvedTemplate): ResolvedTemplate {
  const { annotations = {}, ...metadata } = template.metadata ?? {};
  return { ...template, metadata: { ...metadata, annotations: without(annotations, restartedAt) } };
}

/** Whether the platform can see that a pod of the template works: every container that stays has a readiness probe. */
export function isHealthChecked({ spec }: PodTemplate): boolean {
  return spec.containers.every(({ readinessProbe }) => readinessProbe !== undefined);
}

/** @throws if `value` is no template: a record that was not made by {@link resolvedTemplate} */
export function readTemplate(value: unknown): ResolvedTemplate {
  return podTemplate.parse(value);
}

/** Images in words: `ehr-app:1.4.1`, `app=ehr-app:1.4.1, proxy=envoy:1.30`. */
export function imagesInWords({ spec }: PodTemplate): string {
  const [only, ...more] = spec.containers;
  return only !== undefined && more.length === 0 ? only.image : spec.containers.map(({ name, image }) => `${name}=${image}`).join(", ");
}

const shownDifferences = 6;

/**
 * In what `live` differs from `known`: places, and of images what stands there. Values of others may be private.
 * @returns clauses: `the image of app is ehr-app:1.4.3, not ehr-app:1.4.2`
 */
export function differences(live: ResolvedTemplate, known: ResolvedTemplate): string[] {
  const images = containersOf(live).flatMap(({ name, image }) => {
    const before = containersOf(known).find((container) => container.name === name);
    return before === undefined || before.image === image ? [] : [`the image of ${name} is ${image}, not ${before.image}`];
  });
  const places = [...differingPlaces(live, known, [])].filter((place) => !place.endsWith(".image"));
  const shown = places.slice(0, shownDifferences).map((place) => `${place} differs`);
  return [...images, ...shown, ...(places.length > shownDifferences ? [`${places.length - shownDifferences} more differ`] : [])];
}

function* differingPlaces(a: unknown, b: unknown, path: readonly string[]): Generator<string> {
  const [left, right] = [members(a), members(b)];
  if (left === undefined || right === undefined) {
    if (sha256Of(a ?? null) !== sha256Of(b ?? null)) yield path.join(".");
    return;
  }
  for (const key of new Set([...left.keys(), ...right.keys()])) yield* differingPlaces(left.get(key), right.get(key), [...path, key]);
}

/** Of an object or a list, by key; lists of named things by their names, so that one more does not shift the rest. */
function members(value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  return new Map(value.map((item: unknown, index) => [nameOf(item) ?? String(index), item]));
}

function nameOf(item: unknown): string | undefined {
  return typeof item === "object" && item !== null && "name" in item && typeof item.name === "string" ? item.name : undefined;
}
