/** Everything about a Compose project that could keep a rollback from succeeding, looked at before anything is touched. */
import { HoldfastError, messageOf } from "../../../errors.ts";
import type { PreflightFinding } from "../../finding.ts";
import type { PlatformState, SettingState, WorkloadState } from "../platform.ts";
import { changesBy, formerValueHint, planned, type Site } from "./bring-up.ts";
import { type Container, containersOf, imageAt } from "./engine.ts";
import { imageName, type Model, resolveModel, type Service } from "./model.ts";
import { neighbours } from "./neighbours.ts";
import { serviceRecord } from "./record.ts";

type Found = readonly PreflightFinding[];

export async function preflight(site: Site, { target, now, since }: { readonly target: PlatformState; readonly now: PlatformState; readonly since: Date | undefined }, signal: AbortSignal): Promise<PreflightFinding[]> {
  const { docker } = site;
  const engine = { id: "engine", title: "the Docker engine answers" };
  try {
    const version = (await docker.docker(["version", "--format", "{{.Server.Version}}"], signal)).trim();
    const images = await imageFindings(site, target, now, signal);
    const containers = await containersOf(docker, site.settings.project, signal);
    const state = [{ ...engine, outcome: "ok" as const, detail: `version ${version}` }, ...images, ...containerFindings(site, target, containers), ...directoryFindings(site, target, containers), neighbours(target, now, containers, since), healthChecks(target)];
    return [...state, ...(await fileFindings(site, target, now, signal))];
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "cancelled") throw error;
    return [{ ...engine, outcome: "blocked", detail: error.message, hint: error.hints[0] ?? "Run `docker version`, and correct what it says." }];
  }
}

async function imageFindings({ docker }: Site, target: PlatformState, now: PlatformState, signal: AbortSignal): Promise<Found> {
  const base = { id: "images", title: "the images of the target are there" };
  const findings: PreflightFinding[] = [];
  for (const { name, images, resolved } of target.workloads) {
    if (images.length > 1) findings.push({ ...base, outcome: "blocked", detail: `${name} ran ${images.length} different images at the checkpoint`, hint: "Choose a checkpoint at which no deployment was under way." });
    for (const { id, reference, pinned } of images) {
      if (await imageAt(docker, id, signal)) continue;
      const [digest] = serviceRecord(resolved).digests;
      const gone = `the image ${id} of ${name} (${reference}) is not on this engine any more${pinned === null ? "" : `, nor under ${pinned}`}`;
      findings.push(digest === undefined
        ? { ...base, outcome: "blocked", detail: `${gone}, and no registry is known to have it`, hint: `An image that is built again is another one: load this one from where it was kept with \`docker load\`, or check whether \`docker pull ${reference}\` brings ${id}.` }
        : { ...base, outcome: "blocked", detail: `${gone}; it was pulled as ${digest}`, hint: `Run \`docker pull ${digest}\`, then plan again.` });
    }
  }
  const mixed = now.workloads.filter(({ images }) => images.length > 1).map(({ name }) => name);
  if (mixed.length > 0) findings.push({ id: "mixed", title: "all replicas of a service run the same", outcome: "warn", detail: `replicas with different images: ${mixed.join(", ")}`, hint: "An undo of the rollback brings back one image for all of them." });
  return findings.length > 0 && findings.some(({ id }) => id === "images") ? findings : [{ ...base, outcome: "ok", detail: target.workloads.map(({ name, images }) => `${name} ${images[0]?.id ?? ""}`).join(", ") }, ...findings];
}

function containerFindings({ settings }: Site, target: PlatformState, containers: readonly Container[]): Found {
  const own = containers.filter(({ service }) => target.workloads.some(({ name }) => name === service));
  const listed = (matching: readonly Container[]): string => matching.map(({ name }) => name).join(", ");
  const paused = own.filter(({ status }) => status === "paused");
  const restarting = own.filter(({ status }) => status === "restarting");
  const unfinished = own.filter(({ replaces, status }) => replaces !== null || status === "removing");
  return [
    paused.length > 0
      ? { id: "paused", title: "no container is paused", outcome: "blocked", detail: `paused: ${listed(paused)}`, hint: `Find out why, then run \`docker unpause ${paused.map(({ name }) => name).join(" ")}\`: a paused container cannot be stopped.` }
      : { id: "paused", title: "no container is paused", outcome: "ok", detail: "none" },
    ...(restarting.length > 0 ? [{ id: "restarting", title: "no container restarts over and over", outcome: "warn" as const, detail: `restarting: ${listed(restarting)}`, hint: "Look at `docker logs` of it first: if its cause is not the release, the rollback will not help." }] : []),
    unfinished.length > 0
      ? { id: "unfinished", title: "no other Compose operation is under way", outcome: "blocked", detail: `made and never started, or being removed: ${listed(unfinished)}`, hint: `Wait for the other \`docker compose\` of project ${settings.project}; if none runs, it was interrupted: run \`docker rm ${unfinished.map(({ name }) => name).join(" ")}\`.` }
      : { id: "unfinished", title: "no other Compose operation is under way", outcome: "ok", detail: "none" },
  ];
}

/** From another folder, a relative path in the files leads elsewhere, and Docker makes an empty folder where there is none. */
function directoryFindings({ docker }: Site, target: PlatformState, containers: readonly Container[]): Found {
  const own = containers.filter(({ service }) => target.workloads.some(({ name }) => name === service));
  const elsewhere = own.filter(({ labels }) => ![undefined, docker.folder].includes(labels["com.docker.compose.project.working_dir"]));
  const [first] = elsewhere;
  if (first === undefined) return [];
  return [{ id: "directory", title: "the containers were made from the project's folder", outcome: "warn", detail: `${elsewhere.map(({ name }) => name).join(", ")} ${elsewhere.length === 1 ? "was" : "were"} made in ${first.labels["com.docker.compose.project.working_dir"] ?? ""}, but relative paths in the files are read from ${docker.folder}, the folder of the first file`, hint: "Where a service mounts a relative path, name the files by the folder in which they are deployed: otherwise it would come back with another folder, perhaps an empty one." }];
}

function healthChecks(target: PlatformState): PreflightFinding {
  const base = { id: "health-check", title: "every service has a health check" };
  const without = target.workloads.filter(({ healthChecked }) => !healthChecked).map(({ name }) => name);
  if (without.length === 0) return { ...base, outcome: "ok", detail: target.workloads.map(({ name }) => name).join(", ") };
  return { ...base, outcome: "warn", detail: `without one: ${without.join(", ")}`, hint: "Whether these work after the rollback is seen only from the outside: add a healthcheck to them." };
}

async function fileFindings(site: Site, target: PlatformState, now: PlatformState, signal: AbortSignal): Promise<Found> {
  const base = { id: "compose-files", title: "the files are there and make a project" };
  let today: Model;
  try {
    today = await resolveModel(site.docker, signal);
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "cancelled") throw error;
    return [{ ...base, outcome: "blocked", detail: messageOf(error), hint: "Correct the files until `docker compose config --quiet` is content with them." }];
  }
  const unknown = target.workloads.filter(({ name }) => !(name in today.services)).map(({ name }) => name);
  return [
    { ...base, outcome: "ok", detail: site.settings.files.join(", ") },
    ...(unknown.length > 0 ? [{ id: "services", title: "the services are still defined", outcome: "blocked" as const, detail: `not in the files any more: ${unknown.join(", ")}`, hint: "Bring the services back into the files." }] : []),
    ...settingsFindings(target, now),
    ...configurationFindings(target),
    ...stoppedFindings(target),
    ...(await valueFindings(site, target, now, today, signal)),
    ...(await jobFindings(site, target, today, signal)),
    await nextDeploy(site, target, today, signal),
  ];
}

function settingsFindings(target: PlatformState, now: PlatformState): Found {
  const isMounted = ({ kind }: SettingState): boolean => kind === "mounted";
  const moved = (which: (setting: SettingState) => boolean): string | undefined => {
    const [then, today] = [target.settings.filter(which), now.settings.filter(which)];
    const changed = then.filter(({ kind, name, sha256 }) => !today.some((one) => one.kind === kind && one.name === name && one.sha256 === sha256)).map(({ name }) => name);
    const added = today.filter(({ kind, name }) => !then.some((one) => one.kind === kind && one.name === name)).map(({ name }) => name);
    if (changed.length + added.length === 0) return undefined;
    return [...(changed.length > 0 ? [`changed: ${changed.join(", ")}`] : []), ...(added.length > 0 ? [`new: ${added.join(", ")}`] : [])].join("; ");
  };
  const names = (which: (setting: SettingState) => boolean): string => target.settings.filter(which).map(({ name }) => name).join(", ") || "none";
  const found = (base: Pick<PreflightFinding, "id" | "title">, which: (setting: SettingState) => boolean, hint: string): PreflightFinding => {
    const detail = moved(which);
    return detail === undefined ? { ...base, outcome: "ok", detail: names(which) } : { ...base, outcome: "warn", detail, hint };
  };
  return [
    found({ id: "settings", title: "the files are as at the checkpoint" }, (one) => !isMounted(one), "The services come back as they were recorded; networks, volumes and other services are taken from the files of today."),
    found({ id: "mounted", title: "the files that services mount are as at the checkpoint" }, isMounted, "They are not put back: the former release will find them as they are. Set back what it needs before the rollback."),
  ];
}

function configurationFindings(target: PlatformState): Found {
  const undescribed = target.workloads.filter(({ resolved }) => !serviceRecord(resolved).described).map(({ name }) => name);
  if (undescribed.length === 0) return [];
  return [{ id: "configuration", title: "the files described what ran", outcome: "warn", detail: `at the checkpoint, the files did not describe the containers of ${undescribed.join(", ")}: only image and environment were taken from these`, hint: "Make checkpoints before the files are changed for the next release, and put what the shell exports for a deploy into an environment file." }];
}

async function valueFindings(site: Site, target: PlatformState, now: PlatformState, today: Model, signal: AbortSignal): Promise<Found> {
  const base = { id: "secrets", title: "the values that are known by their hash are still there" };
  let wanted: Awaited<ReturnType<typeof planned>>;
  try {
    wanted = await planned(site, target, signal, today);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== "configuration") throw error;
    return [{ id: "definitions", title: "what the recorded services name is still defined", outcome: "blocked", detail: error.message, hint: "Bring back into the files what it names: a network, a volume, a configuration or a secret that was taken out since the checkpoint." }];
  }
  const { missing, rotated, hashes, containers } = wanted;
  const { hashes: nowHashes } = await planned(site, now, signal, today);
  const changed = missing.length > 0 ? [] : changesBy(containers, { now, nowHashes, target, hashes }, false);
  return [
    missing.length > 0
      ? { ...base, outcome: "blocked", detail: `nothing of today has: ${missing.join(", ")}`, hint: formerValueHint(site.docker.envFiles) }
      : rotated.length > 0
        ? { ...base, outcome: "warn", detail: `changed since the checkpoint, and taken as they are today: ${rotated.join(", ")}`, hint: "If the former value is needed, put it into an environment file under any name: it is found there by its hash." }
        : { ...base, outcome: "ok", detail: "all found" },
    ...(changed.length > 0 ? [{ id: "changed", title: "nobody changed the services since", outcome: "blocked" as const, detail: changed.join("; "), hint: "Make a new plan." }] : []),
  ];
}

const completed = "service_completed_successfully";

function waitsFor(service: Service | undefined): string[] {
  const dependencies = service?.["depends_on"];
  if (typeof dependencies !== "object" || dependencies === null) return [];
  return Object.entries(dependencies as Record<string, { condition?: string } | null>).flatMap(([name, how]) => (how?.condition === completed ? [name] : []));
}

const stoodStill = ({ workloads }: PlatformState): WorkloadState[] => workloads.filter(({ replicas, resolved }) => replicas > 0 && serviceRecord(resolved).running.length === 0);

/** Nobody waits for it in the files, and it had ended all the same, and was to stay so: a migration that is run by its profile. */
const ended = (target: PlatformState): string[] => stoodStill(target).filter(({ resolved }) => [undefined, null, "no"].includes(resolved["restart"] as string | null | undefined)).map(({ name }) => name);

/** Compose starts whatever it makes. */
function stoppedFindings(target: PlatformState): Found {
  const names = stoodStill(target).map(({ name }) => name).filter((name) => !ended(target).includes(name));
  if (names.length === 0) return [];
  return [{ id: "stopped", title: "what starts ran at the checkpoint", outcome: "warn", detail: `stopped at the checkpoint, and started by the rollback: ${names.join(", ")}`, hint: "Stop them again after the rollback, or take them out of the services of the rollback's configuration and take a new checkpoint." }];
}

async function jobFindings({ docker, settings }: Site, target: PlatformState, today: Model, signal: AbortSignal): Promise<Found> {
  const base = { id: "jobs", title: "no one-shot job runs again" };
  const names = target.workloads.map(({ name }) => name);
  const jobs = new Set(Object.values(today.services).flatMap(waitsFor));
  const own = names.filter((name) => jobs.has(name) || ended(target).includes(name));
  const others = [...new Set(names.flatMap((name) => waitsFor(today.services[name])))].filter((name) => !own.includes(name));
  const running = (await containersOf(docker, settings.project, signal, true)).filter((one) => one.running);
  return [
    own.length > 0
      ? { ...base, outcome: "blocked", detail: `one-shot jobs among the services that are rolled back: ${own.join(", ")}`, hint: "Take them out of the services of the rollback's configuration: starting the former release would run its migrations again." }
      : { ...base, outcome: "ok", detail: others.length > 0 ? `left alone although services wait for them: ${others.join(", ")}` : "none" },
    ...(running.length > 0 ? [{ id: "one-off", title: "no one-off command runs", outcome: "warn" as const, detail: `started by \`docker compose run\`, and not stopped: ${running.map(({ name }) => name).join(", ")}`, hint: "Wait for them or stop them: they may write while the database is rolled back." }] : []),
  ];
}

/** The commonest way to undo a rollback without knowing it: a name of today may stand for other contents than then, as `latest` does. */
async function nextDeploy({ docker, settings }: Site, target: PlatformState, today: Model, signal: AbortSignal): Promise<PreflightFinding> {
  const base = { id: "next-deploy", title: "the files name the images of the target" };
  const named: string[] = [];
  const moved: string[] = [];
  for (const { name, images } of target.workloads) {
    const service = today.services[name];
    if (service === undefined) continue;
    const reference = imageName(settings.project, name, service);
    const id = (await imageAt(docker, reference, signal))?.id;
    if (images.some((image) => image.id === id)) continue;
    if (images.some((image) => image.reference === reference)) moved.push(`${name} ${reference}`);
    else named.push(`${name} ${reference}`);
  }
  if (named.length + moved.length === 0) return { ...base, outcome: "ok", detail: target.workloads.map(({ name, images }) => `${name} ${images[0]?.reference ?? ""}`).join(", ") };
  const detail = [...(named.length > 0 ? [`the files name ${named.join(", ")}`] : []), ...(moved.length > 0 ? [`another image has the name by now: ${moved.join(", ")}`] : [])].join("; ");
  const back = moved.length > 0 ? "Set the files back after the rollback, and give the names back with `docker tag`" : "Set the files back after the rollback";
  return { ...base, outcome: "warn", detail, hint: `${back}: the next \`docker compose up\` would bring these back.` };
}
