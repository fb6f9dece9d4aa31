/** By what an image is named so that the recorded content runs, and whether it does. */
import { digestOf, idsIn, sameContent } from "../../platform/kubernetes/image-id.ts";
import type { RecordedWorkload } from "../../platform/kubernetes/record.ts";
import type { Finding } from "../evidence.ts";
import { listOf } from "./admitted.ts";
import type { KubernetesObject } from "./namespace.ts";
import type { RunningPod } from "./pods.ts";

/**
 * The reference with the recorded digest, where a registry can be asked for it; else as it was written, and what runs is
 * compared. A digest of another name than the reference's is a runtime's own, by which nothing can be fetched.
 * @param ids - as the running pods reported them, the most frequent first
 */
export function imageToRun({ image }: KubernetesObject, [id]: readonly string[]): string {
  const reference = String(image);
  if (id === undefined || digestOf(reference) !== undefined) return reference;
  const [repository, digest] = id.replace(/^[\w-]+:\/\//, "").split("@");
  return digest !== undefined && isShortFor(reference.replace(/:[^:/]+$/, ""), repository ?? "") ? `${reference.replace(/:[^:/]+$/, "")}@${digest}` : reference;
}

/** A runtime completes a short name with the host and the folder that its own configuration says. */
function isShortFor(name: string, whole: string): boolean {
  const [host = "", ...path] = whole.split("/");
  const rest = /[.:]|^localhost$/.test(host) ? path.join("/") : whole;
  return name === whole || name === rest || `library/${name}` === rest;
}

export interface StartedPod {
  readonly workload: RecordedWorkload;
  readonly pod: RunningPod;
}

/** That every container runs what was recorded: the cluster was told so, and is not believed. */
export function checkImages(started: readonly StartedPod[]): Finding {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const right: string[] = [];
  for (const { workload: { name, record }, pod } of started) {
    const ids = idsIn(pod);
    for (const { name: container } of ["initContainers", "containers"].flatMap((list) => listOf(pod.spec[list]))) {
      const label = container === name ? name : `${String(container)} of ${name}`;
      const known = record.imageIds[String(container)] ?? [];
      const found = ids.get(String(container))?.id;
      if (found === undefined) wrong.push(`${label} does not say what it runs`);
      else if (known.length === 0) unknown.push(`${label} runs ${found}, and the checkpoint knows no digest to compare with`);
      else if (known.some((id) => sameContent(found, id) ?? found === id)) right.push(`${label} is ${found}`);
      else wrong.push(`${label} runs ${found}, not ${known.join(" or ")}`);
    }
  }
  if (wrong.length > 0 || unknown.length > 0) return { outcome: "unverified", detail: [...wrong, ...unknown].join("; ") };
  return { outcome: "pass", detail: right.join(", ") };
}
