/** What a rollback does on Compose: stop what writes, and start what ran. */
import { HoldfastError } from "../../../errors.ts";
import type { RollbackStep, StepRun } from "../../step.ts";
import type { PlatformState } from "../platform.ts";
import { bringUp, changesBy, differences, planned, refuseChanges, type Site } from "./bring-up.ts";
import { type Container, containersOf } from "./engine.ts";
import { serviceRecord } from "./record.ts";

const maintenance = "maintenance-on";
const namesOf = (state: PlatformState): string[] => state.workloads.map(({ name }) => name);

async function containersNamed({ docker, settings }: Site, names: readonly string[], signal: AbortSignal): Promise<Container[]> {
  return (await containersOf(docker, settings.project, signal)).filter(({ service }) => names.includes(service));
}

export function stopWriters(site: Site, now: PlatformState): RollbackStep {
  const names = namesOf(now);
  const { docker, settings } = site;
  return {
    id: maintenance,
    title: `stop the services ${names.join(", ")} of project ${settings.project}`,
    isDone: async ({ signal }) => (await containersNamed(site, names, signal)).every(({ running }) => !running),
    perform: async ({ signal }) => {
      const { containers, hashes } = await planned(site, now, signal);
      const found = containers.filter(({ service }) => names.includes(service));
      refuseChanges(changesBy(found, { now, nowHashes: hashes, target: now, hashes }, false), settings.project);
      const running = found.filter((one) => one.running);
      await docker.compose(["stop", ...names], { signal, failure: "rollback-failed" });
      const still = (await containersNamed(site, names, signal)).filter((one) => one.running);
      if (still.length > 0) throw new HoldfastError("rollback-failed", `still running after they were stopped: ${still.map(({ name }) => name).join(", ")}`, { hints: ["Find out who starts them again, then run `holdfast rollback resume`."] });
      return { by: "compose", stopped: running.map(({ name }) => name).join(", ") };
    },
    undo: async ({ signal }) => {
      const ran = now.workloads.flatMap(({ resolved }) => serviceRecord(resolved).running);
      const { containers: found, hashes } = await planned(site, now, signal);
      refuseChanges(changesBy(found, { now, nowHashes: hashes, target: now, hashes }, true), settings.project);
      const gone = ran.filter((name) => !found.some((one) => one.name === name));
      if (gone.length > 0) await bringUp(site, { target: now, now, start: false, resumed: true, signal, begin: () => Promise.resolve() });
      const stopped = (await containersNamed(site, names, signal)).filter(({ name, running }) => !running && ran.includes(name));
      if (stopped.length > 0) await docker.docker(["start", ...stopped.map(({ name }) => name)], signal, "rollback-failed");
      return { started: stopped.map(({ name }) => name).join(", ") };
    },
  };
}

/** One step for all services: Compose keeps the order among them, and the downtime is that of the slowest, not the sum. */
export function startTarget(site: Site, target: PlatformState, now: PlatformState): RollbackStep {
  const id = "start-previous";
  const begun = (run: StepRun): boolean => run.facts.get(id)?.["begun"] === true;
  return {
    id,
    title: `start ${target.workloads.map(({ name, images }) => `${name} (${images[0]?.reference ?? ""})`).join(", ")} in project ${site.settings.project}`,
    isDone: async ({ signal }) => {
      const { hashes, missing, containers } = await planned(site, target, signal);
      return missing.length === 0 && differences(containers, { target, hashes }, true).length === 0;
    },
    perform: async (run) => {
      const { rotated } = await bringUp(site, { target, now, start: true, resumed: begun(run), signal: run.signal, begin: () => run.begin({ begun: true }) });
      const services = target.workloads.map(({ name, images, replicas }) => `${name} ×${replicas} ${images[0]?.id ?? ""}`).join(", ");
      return { by: "compose", services, ...(rotated.length > 0 && { rotated: rotated.join(", ") }) };
    },
    undo: async (run) => {
      // Where the writers had been stopped before, they stay stopped: the undo of that step starts them, after the database's.
      const stopped = run.facts.get(maintenance)?.["by"] === "compose";
      await bringUp(site, { target: now, now: target, start: !stopped, resumed: true, signal: run.signal, begin: () => Promise.resolve() });
      return { by: "compose", started: !stopped, services: namesOf(now).join(", ") };
    },
  };
}

