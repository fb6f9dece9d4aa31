/** What a captured workload carries in its `resolved`: enough to know it again, to compare, and to show. */
import { z } from "zod";

import type { WorkloadState } from "../platform.ts";
import { sha256Of, without } from "./json.ts";
import { podTemplate } from "./objects.ts";
import { lastingSha256, templateSha256, unkeyedSha256 } from "./template.ts";
import { identityOfUid, type LiveWorkload, type WorkloadName } from "./workload.ts";

const recordSchema = z.strictObject({
  /** Of this very object, as the cluster counts its changes. */
  generation: z.int(),
  /** Tells the object from one of the same name that was made later or elsewhere, without giving its uid away. */
  identity: z.string(),
  /** Over everything that is asked of the workload beside its template and its replicas. */
  specSha256: z.string(),
  templateSha256: z.string(),
  /** The same, whatever `kubectl rollout restart` wrote into it. */
  lastingSha256: z.string(),
  /** What the running pods said, by container; more than one where a tag moved or nodes differ. */
  imageIds: z.record(z.string(), z.array(z.string())),
  /** Its secrets replaced by hashes. */
  template: podTemplate,
});
export type WorkloadRecord = z.infer<typeof recordSchema>;

export function recordOf(live: LiveWorkload, imageIds: WorkloadRecord["imageIds"]): WorkloadRecord {
  return {
    generation: live.generation,
    identity: identityOf(live),
    specSha256: specSha256(live),
    templateSha256: templateSha256(live.template),
    lastingSha256: lastingSha256(live.template),
    imageIds,
    template: live.template,
  };
}

export function identityOf({ object }: LiveWorkload): string {
  return identityOfUid(object.metadata.uid);
}

export function specSha256({ object }: LiveWorkload): string {
  return sha256Of(without(object.spec, "template", "replicas", "paused"));
}

/** A captured workload with what its `resolved` says. */
export interface RecordedWorkload extends WorkloadName {
  readonly state: WorkloadState;
  readonly record: WorkloadRecord;
}

/** @throws ZodError where the state was not captured from Kubernetes */
export function recorded(state: WorkloadState): RecordedWorkload {
  if (state.kind === "service") throw new TypeError(`${state.name} is no workload of Kubernetes`);
  return { kind: state.kind, name: state.name, state, record: recordSchema.parse(state.resolved) };
}

export function recordedIn(states: readonly WorkloadState[], { kind, name }: WorkloadName): RecordedWorkload | undefined {
  const state = states.find((candidate) => candidate.kind === kind && candidate.name === name);
  return state && recorded(state);
}

/** Whether the live template is that of the record; of a workload that was made anew, as far as its hashed values can be compared. */
export function hasTemplateOf(live: LiveWorkload, { record }: RecordedWorkload): boolean {
  return lastingSha256(live.template) === record.lastingSha256 || (identityOf(live) !== record.identity && unkeyedSha256(live.template) === unkeyedSha256(record.template));
}
