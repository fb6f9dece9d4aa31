/** What the workloads themselves say about a rollback, before it. */
import type { PreflightFinding } from "../../finding.ts";
import type { PlatformState } from "../platform.ts";
import { digestOf, sameContent } from "./image-id.ts";
import type { Candidate } from "./preflight.ts";
import { identityOf, recordedIn, specSha256, type RecordedWorkload } from "./record.ts";
import { holdsHashed } from "./secrets.ts";
import { heldFor, missingRevisionHint } from "./start-target.ts";
import { containersOf, imagesInWords } from "./template.ts";
import { inWords, type LiveWorkload } from "./workload.ts";

export function workloadsFinding(candidates: readonly Candidate[], missing: readonly string[], target: PlatformState, now: PlatformState): PreflightFinding {
  const title = "the workloads are there";
  const leaving = candidates.filter(({ live }) => live.object.metadata.deletionTimestamp !== undefined).map(({ to }) => inWords(to));
  const uncaptured = candidates.filter(({ to }) => recordedIn(now.workloads, to) === undefined).map(({ to }) => inWords(to));
  if (missing.length > 0 || leaving.length > 0 || uncaptured.length > 0) {
    const detail = [...missing.map((name) => `${name} is not there`), ...leaving.map((name) => `${name} is being deleted`), ...uncaptured.map((name) => `${name} is not configured as a workload`)].join("; ");
    return { id: "workloads", title, outcome: "blocked", detail, hint: "Apply the manifests of the release that the checkpoint was taken of, and name all its workloads in databases.NAME.rollback.kubernetes.workloads." };
  }
  const remade = candidates
    .filter(({ to, live }) => identityOf(live) !== to.record.identity)
    .map(({ to }) => `${inWords(to)} was made anew since the checkpoint, or this is another cluster${holdsHashed(to.record.template) ? "; what looks secret in its template cannot be compared" : ""}`);
  const asked = candidates.filter(({ to, live }) => specSha256(live) !== to.record.specSha256).map(({ to }) => `what is asked of ${inWords(to)} beside its template is not what it was (its strategy, its deadlines, its selector, its claims): it stays as it is now`);
  const added = now.workloads.filter((workload) => !target.workloads.some(({ kind, name }) => kind === workload.kind && name === workload.name)).map((workload) => `${inWords(workload)} is not part of the checkpoint: it keeps what it runs, and stays stopped if it is stopped`);
  const detail = [...remade, ...asked, ...added].join("; ");
  if (detail !== "") return { id: "workloads", title, outcome: "warn", detail, hint: [
    ...(remade.length > 0 ? ["See that the context leads to the cluster of the checkpoint, and that the secrets of what was made anew are those that the target needs."] : []),
    ...(asked.length > 0 ? ["See in the manifests of the two releases what differs, and whether the target can live with it."] : []),
    ...(added.length > 0 ? ["Look at what is not part of the checkpoint before you confirm; the rollback leaves it as it is."] : []),
  ].join(" ") };
  return { id: "workloads", title, outcome: "ok", detail: candidates.map(({ to }) => inWords(to)).join(", ") };
}

/** Whether the cluster still has the templates; numbers of revisions move on when one is gone back to. */
export function revisionFinding(candidates: readonly Candidate[]): PreflightFinding {
  const title = "the revisions are in the history";
  const known = candidates.flatMap(({ to, held }) => (held === undefined ? [] : [{ to, found: heldFor(held, to) }]));
  const gone = known.filter(({ found }) => found === undefined).map(({ to }) => to);
  if (gone.length > 0) {
    return {
      id: "revision",
      title,
      outcome: "blocked",
      detail: gone.map((to) => `missing revision: ${inWords(to)} no longer keeps revision ${to.state.revision ?? "unknown"} (${imagesInWords(to.record.template)})`).join("; "),
      hint: gone.map(missingRevisionHint).join(" "),
    };
  }
  const detail = known.flatMap(({ to, found }) => (found === undefined ? [] : [`${inWords(to)}: ${revisionInWords(to, found.revision)} (${found.name})`]));
  return { id: "revision", title, outcome: "ok", detail: detail.length === 0 ? "none could be looked at" : detail.join("; ") };
}

function revisionInWords({ state }: RecordedWorkload, revision: string): string {
  return state.revision === revision ? `revision ${revision}` : `what was revision ${state.revision ?? "unknown"} is revision ${revision} now`;
}

/** @param by - kubectl as an operator types it, with its context and namespace */
export function pausedFinding(live: readonly LiveWorkload[], by: string): PreflightFinding {
  const paused = live.filter(({ object }) => object.spec.paused);
  if (paused.length === 0) return { id: "paused", title: "no rollout is paused", outcome: "ok", detail: "none is" };
  return {
    id: "paused",
    title: "no rollout is paused",
    outcome: "blocked",
    detail: `${paused.map(inWords).join(" and ")} ${paused.length === 1 ? "is" : "are"} paused: a change of the template would start nothing`,
    hint: `Once it is clear why it was paused, run ${paused.map(({ kind, name, template }) => `\`${by} rollout resume ${kind}/${name}\`, which rolls out ${imagesInWords(template)} where that does not run yet`).join(", and ")}.`,
  };
}

/** How many pods, from the first, keep their template until somebody deletes them or moves the partition. */
function partitionOf({ object: { spec: { updateStrategy: { type, rollingUpdate } = {} } } }: LiveWorkload): number | "all" {
  return type === "OnDelete" ? "all" : (rollingUpdate?.partition ?? 0);
}

/** A StatefulSet may be told to leave its pods as they are. */
export function updatesFinding(live: readonly LiveWorkload[], by: string): PreflightFinding {
  const title = "a changed template reaches every pod";
  const back = live.filter((workload) => partitionOf(workload) !== 0);
  const held = back.map((workload) => {
    const partition = partitionOf(workload);
    return partition === "all" ? `${inWords(workload)} changes a pod only when somebody deletes it (OnDelete)` : `${inWords(workload)} leaves its first ${partition} pods as they are (partition ${partition})`;
  });
  if (held.length === 0) return { id: "updates", title, outcome: "ok", detail: "it does" };
  return { id: "updates", title, outcome: "blocked", detail: held.join("; "), hint: `Do not set spec.updateStrategy to RollingUpdate first: that would roll out the template that stands there now. Bring the template back with ${back.map(({ kind, name }) => `\`${by} rollout undo ${kind}/${name}\``).join(" and ")}, which changes no pod that is held back; then set it, without a partition, and plan again.` };
}

/** What stops the writers, and what brings fewer replicas back, would take the volumes along with the pods. */
export function volumesFinding(live: readonly LiveWorkload[], by: string): PreflightFinding {
  const title = "no volume goes with its pod";
  const lost = live.filter(({ object: { spec } }) => spec.volumeClaimTemplates.length > 0 && spec.persistentVolumeClaimRetentionPolicy?.whenScaled === "Delete");
  if (lost.length === 0) return { id: "volumes", title, outcome: "ok", detail: "none does" };
  const patch = `'{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Retain"}}}'`;
  return {
    id: "volumes",
    title,
    outcome: "blocked",
    detail: `${lost.map(inWords).join(" and ")} ${lost.length === 1 ? "deletes" : "delete"} the volumes of pods that go when it is scaled down (persistentVolumeClaimRetentionPolicy.whenScaled: Delete), and a rollback scales down`,
    hint: `Keep them: run ${lost.map(({ kind, name }) => `\`${by} patch ${kind}/${name} --patch ${patch}\``).join(" and ")}, which restarts nothing, and plan again.`,
  };
}

export function healthFinding(wanted: readonly RecordedWorkload[]): PreflightFinding {
  const title = "readiness can be seen";
  const blind = wanted.filter(({ state }) => !state.healthChecked);
  if (blind.length === 0) return { id: "health-check", title, outcome: "ok", detail: "every container has a readiness probe" };
  return {
    id: "health-check",
    title,
    outcome: "warn",
    detail: `${blind.map(inWords).join(" and ")}: a container without a readiness probe counts as ready as soon as it runs`,
    hint: "Give every container a readinessProbe, and configure databases.NAME.rollback.health.",
  };
}

/** Images that now's template names by the same tag, and that are of another content by every pod of now. */
function movedTags({ record }: RecordedWorkload, now: RecordedWorkload | undefined): string[] {
  return containersOf(record.template).flatMap(({ name, image }) => {
    const present = now && containersOf(now.record.template).find((container) => container.name === name);
    if (present?.image !== image || digestOf(image) !== undefined) return [];
    const [then, today] = [record.imageIds[name] ?? [], now?.record.imageIds[name] ?? []];
    return then.length > 0 && today.length > 0 && today.every((id) => then.every((known) => sameContent(id, known) === false)) ? [image] : [];
  });
}

/** Whether an image can be pulled is known only once a node has tried. */
export function imagesFinding(wanted: readonly RecordedWorkload[], now: PlatformState): PreflightFinding {
  const title = "images of the target";
  const elsewhere = wanted.flatMap((to) => movedTags(to, recordedIn(now.workloads, to)));
  if (elsewhere.length > 0) {
    return {
      id: "images",
      title,
      outcome: "blocked",
      detail: `the tag has moved: ${unique(elsewhere)} is what runs now as well, with another content than at the checkpoint, so that the template of then would start what runs now`,
      hint: "Push the content of the checkpoint under that tag again, make the pods anew with `kubectl rollout restart`, and plan again; name images by digest, or by a tag of their own for each release.",
    };
  }
  const containers = wanted.flatMap((to) => containersOf(to.record.template).map((container) => ({ container, ids: to.record.imageIds[container.name] ?? [] })));
  const pulled = containers.filter(({ container }) => container.imagePullPolicy === "Always").map(({ container }) => container.image);
  const moving = containers.filter(({ container }) => digestOf(container.image) === undefined).map(({ container }) => container.image);
  const unknown = containers.filter(({ ids }) => !ids.some((id) => digestOf(id) !== undefined)).map(({ container }) => container.image);
  const clauses = [
    ...(pulled.length === 0 ? [] : [`${unique(pulled)} will be pulled again by every pod (imagePullPolicy Always), and whether the registry still has it cannot be known from here`]),
    ...(moving.length === 0 ? [] : [`${unique(moving)} is named by a tag, which may have moved: what runs afterwards is compared with the digest of the checkpoint`]),
    ...(unknown.length === 0 ? [] : [`no digest is known of ${unique(unknown)}: nothing ran when the checkpoint was taken, so it can be compared by name only`]),
  ];
  if (pulled.length + unknown.length === 0) return { id: "images", title, outcome: "ok", detail: clauses.length === 0 ? "all are named by digest; nodes that do not hold them pull them" : clauses.join("; ") };
  return { id: "images", title, outcome: "warn", detail: clauses.join("; "), hint: "Make sure that the registry keeps the images of the releases that may be gone back to, and name them by digest." };
}

function unique(names: readonly string[]): string {
  return [...new Set(names)].join(", ");
}
