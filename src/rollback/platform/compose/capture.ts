/** What runs of a project at this moment: asked of the containers themselves, not of the files, which may have moved on. */
import type { ComposeSettings } from "../../../config/rollback-settings.ts";
import { HoldfastError } from "../../../errors.ts";
import type { PlatformState, WorkloadState } from "../platform.ts";
import { canonicalJson, sha256Of, without } from "./canonical.ts";
import type { Docker } from "./command.ts";
import { conceal, type Hash } from "./conceal.ts";
import { type Container, containersOf, type Image, imageAt } from "./engine.ts";
import { configHashes, dependingOn, escaped, imageName, type Model, resolveModel, type Service, sharesWithService } from "./model.ts";
import { withRecord } from "./record.ts";
import { fileStates, mountedStates } from "./standing.ts";

export interface Capturing {
  readonly docker: Docker;
  readonly settings: ComposeSettings;
  readonly address: Readonly<Record<string, string>>;
  readonly hash: Hash;
}

export async function capture({ docker, settings, address, hash }: Capturing, signal: AbortSignal): Promise<PlatformState> {
  const [model, fromFiles, containers, standing] = await Promise.all([
    resolveModel(docker, signal),
    configHashes(docker, undefined, signal),
    containersOf(docker, settings.project, signal),
    fileStates(settings, docker.envFiles, hash),
  ]);
  const mounted = await mountedStates(model, settings, hash);
  const workloads: WorkloadState[] = [];
  for (const name of settings.services) {
    const service = model.services[name];
    if (service === undefined) {
      throw new HoldfastError("configuration", `the files of project ${settings.project} define no service ${name}, but ${Object.keys(model.services).join(", ")}`, { hints: ["Correct the services of the rollback's configuration, or name the profile of the service under profiles.", "If the release that runs renamed or removed it, bring the former files back for the rollback: with other services configured, a checkpoint is of another place."] });
    }
    const own = containers.filter((one) => one.service === name && one.replaces === null);
    workloads.push(own.length === 0 ? await absent(docker, settings.project, { name, service }, hash, signal) : await present(docker, { name, service, own, model, services: settings.services, fromFiles: fromFiles.get(name) }, hash, signal));
  }
  return { platform: "compose", address: { ...address }, workloads, settings: [...standing, ...mounted] };
}

/** A service that is scaled to nothing, or whose containers were removed: only its configuration is known. */
async function absent(docker: Docker, project: string, { name, service }: { readonly name: string; readonly service: Service }, hash: Hash, signal: AbortSignal): Promise<WorkloadState> {
  const reference = imageName(project, name, service);
  const image = await imageAt(docker, reference, signal);
  if (image === undefined) throw new HoldfastError("configuration", `service ${name} has no container, and its image ${reference} is not there`, { hints: ["Deploy the service before a checkpoint is made."] });
  return workload(name, service, [{ id: image.id, reference, digests: image.digests }], [], image.healthChecked, hash, true);
}

async function present(docker: Docker, found: { name: string; service: Service; own: readonly Container[]; model: Model; services: readonly string[]; fromFiles: string | undefined }, hash: Hash, signal: AbortSignal): Promise<WorkloadState> {
  const { name, own, model, services } = found;
  const images = [];
  // The one that most replicas run comes first.
  const count = (id: string): number => own.filter(({ image }) => image === id).length;
  for (const id of [...new Set(own.map(({ image }) => image))].sort((one, other) => count(other) - count(one))) {
    const image = await imageAt(docker, id, signal);
    images.push({ id, reference: own.find((one) => one.image === id)?.reference ?? id, digests: image?.digests ?? [], image });
  }
  const first = images[0];
  const example = own.find(({ image }) => image === first?.id);
  let service = found.service;
  // Of what shares the network or the volumes of another service nothing can be told by its hash.
  let described = sharesWithService(service) || own.every(({ configHash }) => configHash === found.fromFiles);
  if (!described && example !== undefined && first !== undefined) {
    // The files were changed since, as before every deploy. What ran is asked of the container: its image, and its environment.
    const { image: named, ...unnamed }: Service = { ...service, environment: environmentOf(example, service, first.image) };
    service = { ...unnamed, image: first.reference };
    // Where the files only build it, Compose leaves the image's name out of the hash. Who deploys with --no-deps, as a rollback does, leaves the dependencies out.
    const bases = named === undefined ? [unnamed, service] : [service];
    for (const variant of bases.flatMap((base) => [base, dependingOn(base, services), dependingOn(base, [])])) {
      const again = await configHashes(docker, { ...model, services: { ...model.services, [name]: variant } }, signal);
      if (own.every(({ configHash }) => configHash === again.get(name))) described = true;
      if (described) break;
    }
  }
  const healthChecked = own.every(({ health }) => health !== null);
  return workload(name, service, images, own, healthChecked, hash, described);
}

function workload(name: string, service: Service, images: readonly { id: string; reference: string; digests: readonly string[] }[], own: readonly Container[], healthChecked: boolean, hash: Hash, described: boolean): WorkloadState {
  const resolved = conceal(service, hash);
  return {
    kind: "service",
    name,
    images: images.map(({ id, reference }) => ({ container: name, reference, id, pinned: null })),
    replicas: own.length,
    revision: null,
    configSha256: sha256Of(canonicalJson(without(resolved, "image"))),
    healthChecked,
    resolved: withRecord(resolved, {
      hashes: [...new Set(own.map(({ configHash }) => configHash))].sort(),
      running: own.filter(({ running }) => running).map((one) => one.name),
      digests: [...new Set(images.flatMap(({ digests }) => digests))],
      described,
    }),
  };
}

/** What the service gave its container, without what the image brings itself. */
function environmentOf(container: Container, service: Service, image: Image | undefined): Record<string, string> {
  const declared = service["environment"];
  const names = new Set(typeof declared === "object" && declared !== null ? Object.keys(declared) : []);
  const brought = new Set(image?.environment ?? []);
  return Object.fromEntries(container.environment.flatMap((line) => {
    const equals = line.indexOf("=");
    const name = line.slice(0, equals);
    if (equals < 1 || (!names.has(name) && (image === undefined || brought.has(line)))) return [];
    return [[name, escaped(line.slice(equals + 1))] as const];
  }));
}
