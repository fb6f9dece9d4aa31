/** Ids of images as container runtimes report them. */
import type { Pod } from "./objects.ts";

/** `registry.test/library/app@sha256:…`, `docker-pullable://app@sha256:…`, `sha256:…` */
const digest = /sha256:[0-9a-f]{64}$/;

/** @returns `sha256:…`; undefined where there is none */
export function digestOf(id: string): string | undefined {
  return digest.exec(id)?.[0];
}

/** Whether two ids, or references, name the same content; undefined where one of them cannot say so. */
export function sameContent(a: string, b: string): boolean | undefined {
  const [left, right] = [digestOf(a), digestOf(b)];
  return left === undefined || right === undefined ? undefined : left === right;
}

/** What a pod's containers run, by container; those that have not started are absent. */
export function idsIn({ status }: Pod): Map<string, { readonly id: string; readonly reference: string }> {
  const statuses = [...status.initContainerStatuses, ...status.containerStatuses];
  return new Map(statuses.flatMap(({ name, image, imageID }) => (imageID === "" ? [] : [[name, { id: imageID, reference: image }]])));
}

/** All ids that a container has in these pods, the most frequent first. */
export function idsOf(container: string, pods: readonly Pod[]): string[] {
  const count = new Map<string, number>();
  for (const pod of pods) {
    const id = idsIn(pod).get(container)?.id;
    if (id !== undefined) count.set(id, (count.get(id) ?? 0) + 1);
  }
  return [...count].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1)).map(([id]) => id);
}
