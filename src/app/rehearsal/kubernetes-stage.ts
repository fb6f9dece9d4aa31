/** A rehearsal on Kubernetes: a namespace of its own, the copy in a pod of it, the older images in pods beside. */
import type { KubernetesSettings } from "../../config/rollback-settings.ts";
import type { PlannedCheck } from "../../drill/journal.ts";
import { noteOf } from "../../drill/scratch/owner.ts";
import { copyPod, copyPort, podProvider } from "../../drill/scratch/pod-scratch.ts";
import type { Ownership } from "../../drill/scratch/scratch.ts";
import { HoldfastError } from "../../errors.ts";
import { recorded } from "../../rollback/platform/kubernetes/record.ts";
import { checkAccess, forNamespaces, forPlace, forRelease } from "../../rollback/rehearsal/kubernetes/access.ts";
import { listOf, objectOf } from "../../rollback/rehearsal/kubernetes/admitted.ts";
import { podServices, startPods } from "../../rollback/rehearsal/kubernetes/boot.ts";
import { openForward } from "../../rollback/rehearsal/kubernetes/forward.ts";
import { podToAsk, portsWithin } from "../../rollback/rehearsal/kubernetes/health.ts";
import { createNamespace, createObjects, endPods, kubectlIn, type KubernetesObject, removeNamespace } from "../../rollback/rehearsal/kubernetes/namespace.ts";
import { liveServices, type LiveService } from "../../rollback/rehearsal/kubernetes/neighbours.ts";
import { checkPolicies, closedPolicy } from "../../rollback/rehearsal/kubernetes/policies.ts";
import { type PodObject, roleLabel } from "../../rollback/rehearsal/kubernetes/confine.ts";
import { type AskedPod, lookAt, makePod, notApart, readPod, removePod, runPod } from "../../rollback/rehearsal/kubernetes/pods.ts";
import { type ReleasePods, releasePods } from "../../rollback/rehearsal/kubernetes/release-pods.ts";
import { namedStandIns, type StandIn, standInsFor } from "../../rollback/rehearsal/kubernetes/stand-ins.ts";
import { checkClusterEgress, idlePod, trialPod } from "../../rollback/rehearsal/kubernetes/trial.ts";
import { type Labels, rehearsalLabel } from "../../rollback/rehearsal/mark.ts";
import { labelsOfNote, placeOf } from "./place-name.ts";
import { type RehearsalStage, required } from "./rehearsal-stage.ts";
import { type ReleaseOptions, type ReleasePlace, releaseStage } from "./release-stage.ts";

const checks = {
  permissions: { id: "permissions", title: "What the rehearsal does in the cluster is allowed" },
  place: { id: "isolation:place", title: "A namespace of its own could be made, and closed" },
} as const satisfies Record<string, PlannedCheck>;

/** @throws HoldfastError `configuration` if the cluster is not configured any more */
export async function kubernetesStage(options: ReleaseOptions, owner: Ownership): Promise<RehearsalStage> {
  const { settings: { kubernetes }, database } = options;
  if (kubernetes === undefined) {
    throw new HoldfastError("configuration", `checkpoint ${options.checkpoint.id} is of a release on kubernetes, but databases.${database.name}.rollback.kubernetes is missing`, { hints: ["Configure the context and the namespace of the release; the rehearsal makes a namespace of its own beside it."] });
  }
  const note = await noteOf(owner);
  return releaseStage(new KubernetesPlace(options, kubernetes, placeOf(note), labelsOfNote(note)), options);
}

const urlSecret = { secret: "holdfast-copy-url", key: "url" } as const;

/** What was found out before the copy was made. */
interface Prepared {
  readonly standIns: readonly StandIn[];
  readonly services: readonly LiveService[];
  readonly release: ReleasePods;
  readonly policy: KubernetesObject;
}

class KubernetesPlace implements ReleasePlace {
  readonly name: string;
  readonly planned = Object.values(checks);
  readonly configured = undefined;
  readonly providers: ReleasePlace["providers"];
  readonly #options: ReleaseOptions;
  readonly #notes: Labels;
  readonly #own;
  readonly #production;
  readonly #labels: Labels;
  readonly #placement: KubernetesObject;
  #begun = false;
  #prepared: Prepared | undefined;
  #made: AskedPod[] = [];

  constructor(options: ReleaseOptions, settings: KubernetesSettings, name: string, notes: Labels) {
    this.name = name;
    this.#options = options;
    this.#notes = notes;
    this.#own = kubectlIn(settings, name);
    this.#production = kubectlIn(settings, settings.namespace);
    this.#labels = { [rehearsalLabel]: name };
    this.#placement = placementOf(options);
    const kubectl = this.#own;
    const { config: { pgBin } } = options.context;
    this.providers = [podProvider({
      namespace: name,
      unavailable: () => Promise.resolve(this.#prepared === undefined ? "there is no namespace for it" : undefined),
      create: (...objects) => createObjects(kubectl, objects as KubernetesObject[]),
      run: (pod, signal) => runPod(kubectl, pod as PodObject, "copy", signal),
      forward: (pod, port) => openForward(kubectl, pod, port),
      removePod: (pod) => removePod(kubectl, pod),
    }, { image: options.database.drill.image, storage: options.database.drill.storage, pgBin, placement: this.#placement, labels: this.#labels })];
  }

  async prepare(journal: Parameters<ReleasePlace["prepare"]>[0]): Promise<void> {
    const { signal } = this.#options.context;
    await required(journal, checks.permissions, async () => {
      const findings = [await checkAccess(this.#own, forNamespaces, "in the cluster", signal), await checkAccess(this.#production, forRelease, `in namespace ${this.#production.namespace}`, signal)];
      const denied = findings.find(({ outcome }) => outcome !== "pass");
      return denied ?? { outcome: "pass", detail: findings.map(({ detail }) => detail).join("; ") };
    });
    await required(journal, checks.place, async () => {
      this.#begun = true;
      await createNamespace(this.#own, this.#notes);
      // Some clusters give whoever makes a namespace their rights in it only then.
      const access = await checkAccess(this.#own, forPlace, "in the namespace of the rehearsal", signal);
      if (access.outcome !== "pass") return access;
      this.#prepared = await this.#lookUp();
      await createObjects(this.#own, [this.#prepared.policy]);
      return { outcome: "pass", detail: `the namespace ${this.name}, closed by a policy before anything was in it` };
    });
  }

  checkNetwork(): ReturnType<ReleasePlace["checkNetwork"]> {
    return checkPolicies(this.#own, this.#known().policy, [copyPod], this.#options.context.signal);
  }

  async hostOf(): Promise<string> {
    const { address } = await this.#copy();
    return address.includes(":") ? `[${address}]` : address;
  }

  async make({ variable, url }: Parameters<ReleasePlace["make"]>[0]): ReturnType<ReleasePlace["make"]> {
    const { standIns, release } = this.#known();
    const { workloads } = this.#options.checkpoint.state;
    if (release.withoutDatabase.length === workloads.length) return { outcome: "unverified", detail: `no workload has the variable ${variable}, so none would find the copy` };
    if (release.withoutCommand.length > 0) return { outcome: "unverified", detail: `of the command of ${release.withoutCommand.join(", ")} the checkpoint holds only a hash, so it cannot be started as it was` };
    const objects = standIns.flatMap(({ object }) => (object === undefined ? [] : [object]));
    await createObjects(this.#own, [...objects, { apiVersion: "v1", kind: "Secret", metadata: { name: urlSecret.secret, labels: this.#labels }, stringData: { [urlSecret.key]: url } }]);
    for (const { pod } of release.pods) this.#made.push(await makePod(this.#own, pod, "release"));
    return { outcome: "pass", detail: `in the namespace ${this.name}, from what the checkpoint recorded of ${workloads.map(({ name }) => name).join(", ")}` };
  }

  async checkMade(): ReturnType<ReleasePlace["checkMade"]> {
    const wrong = await lookAt(this.#own, this.#made, this.#options.context.signal);
    if (wrong.length > 0) return { outcome: "unverified", detail: notApart(wrong).message };
    return { outcome: "pass", detail: `${this.#made.map(({ name }) => name).join(", ")}: as the cluster admitted ${this.#made.length === 1 ? "it" : "them"}, with no container, mount, token or right that nobody asked for, and kept back by a gate` };
  }

  async checkEgress(_scratch: unknown, production: Parameters<ReleasePlace["checkEgress"]>[1]): ReturnType<ReleasePlace["checkEgress"]> {
    const { signal } = this.#options.context;
    const { address, image, nodes } = await this.#copy();
    await runPod(this.#own, idlePod(image, this.#labels, this.#placement), "trial", signal);
    return checkClusterEgress(this.#own, { from: [trialPod, copyPod], control: { what: "the copy", host: address, port: copyPort }, production, release: this.#production, nodes, signal });
  }

  async start(): ReturnType<ReleasePlace["start"]> {
    const { node } = await this.#copy();
    const { leftOut, placeholders } = this.isolation();
    return startPods(this.#own, { release: this.#known().release.pods, made: this.#made, node, without: [...leftOut, ...placeholders], signal: this.#options.context.signal });
  }

  services(): ReturnType<ReleasePlace["services"]> {
    return podServices(this.#own, this.#made.map(({ name }) => name), this.#options.context.signal);
  }

  async reach(_scratch: unknown, url: string): ReturnType<ReleasePlace["reach"]> {
    const { release, services } = this.#known();
    const found = podToAsk(url, release.pods, services);
    if ("why" in found) throw new HoldfastError("drill-unverified", found.why);
    return { ...(await openForward(this.#own, found.service, found.port)), address: `${found.service}:${found.port}` };
  }

  isolation(): ReturnType<ReleasePlace["isolation"]> {
    const { release, standIns = [] } = this.#prepared ?? {};
    const named = namedStandIns(standIns);
    const copied = standIns.filter((each) => each.copied).map(({ setting }) => setting.name);
    return {
      measures: [
        "one pod for each workload, in a namespace of its own, from the recorded template without its labels, claims, hooks, ports of the node, token, rights, and probes but that of readiness; no Job, of which a checkpoint records none",
        "each pod kept back by a gate, and looked at as the cluster admitted it, before it ran",
        "one network policy by which the pods reach only one another, at the ports of the copy and of the release; no resolver; all on one node, on which that was tried before the release was started",
        "asked from this host through kubectl; what the pods wrote to their logs was the node's until they were removed, and any collector's of the cluster",
        ...(copied.length > 0 ? [`copied, since they are as they were recorded: the ConfigMaps ${copied.join(", ")}`] : []),
      ],
      leftOut: [...(release?.leftOut ?? []), ...named.leftOut],
      placeholders: [...(release?.placeholders ?? []), ...named.placeholders],
    };
  }

  stop(): Promise<void> {
    return this.#begun ? endPods(this.#own, `${roleLabel} in (release, trial)`) : Promise.resolve();
  }

  remove(): Promise<readonly string[]> {
    return this.#begun ? removeNamespace(this.#own) : Promise.resolve([]);
  }

  async #lookUp(): Promise<Prepared> {
    const { checkpoint: { state }, settings: { databaseVariable: variable }, context: { signal } } = this.#options;
    const templates = state.workloads.map((workload) => recorded(workload).record.template);
    const standIns = await standInsFor(this.#production, templates, state.settings, this.#labels, signal);
    const services = await liveServices(this.#production, signal);
    const release = releasePods(state.workloads, { namespace: this.name, database: { variable, ...urlSecret }, standIns, services: services.map(({ metadata }) => metadata.name) });
    return { standIns, services, release, policy: closedPolicy([copyPort, ...portsWithin(release.pods)]) };
  }

  #known(): Prepared {
    if (this.#prepared === undefined) throw new TypeError("the place was not prepared");
    return this.#prepared;
  }

  async #copy(): Promise<{ readonly address: string; readonly image: string; readonly node: string; readonly nodes: readonly string[] }> {
    const { spec, status } = await readPod(this.#own, copyPod, this.#options.context.signal);
    const { podIP, hostIP, hostIPs } = objectOf(status);
    if (typeof podIP !== "string" || podIP === "") throw new HoldfastError("drill-unverified", "the pod of the copy has no address any more");
    const nodes = [hostIP, ...listOf(hostIPs).map(({ ip }) => ip)].filter((ip) => typeof ip === "string" && ip !== "") as string[];
    return { address: podIP, image: String(listOf(spec["containers"])[0]?.["image"]), node: String(spec["nodeName"]), nodes: [...new Set(nodes)] };
  }
}

/** Where all of the release may run: beside each other, so that what was tried holds for all. */
function placementOf({ checkpoint }: ReleaseOptions): KubernetesObject {
  const specs = checkpoint.state.workloads.map((workload) => objectOf(recorded(workload).record.template.spec));
  const nodeSelector = Object.assign({}, ...specs.map((spec) => objectOf(spec["nodeSelector"]))) as KubernetesObject;
  const tolerations = specs.flatMap((spec) => listOf(spec["tolerations"]));
  return { ...(Object.keys(nodeSelector).length > 0 && { nodeSelector }), ...(tolerations.length > 0 && { tolerations }) };
}
