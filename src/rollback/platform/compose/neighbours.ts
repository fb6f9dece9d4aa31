/** The services of a project that are not of the release: a rollback leaves them as they are, and one of them may be of the release all the same. */
import type { PreflightFinding } from "../../finding.ts";
import type { PlatformState } from "../platform.ts";
import type { Container } from "./engine.ts";

/**
 * Whether the release that goes would go on in a service that nobody named: one that came with it, or that was renamed by it.
 * @param since - when `target` was captured; undefined: unknown, so only the images are compared
 */
export function neighbours(target: PlatformState, now: PlatformState, containers: readonly Container[], since: Date | undefined): PreflightFinding {
  const base = { id: "neighbours", title: "nothing else of the release runs" };
  const own = new Set([...target.workloads, ...now.workloads].map(({ name }) => name));
  const idsOf = ({ workloads }: PlatformState): string[] => workloads.flatMap(({ images }) => images.map(({ id }) => id));
  const kept = new Set(idsOf(target));
  const going = new Set(idsOf(now).filter((id) => !kept.has(id)));
  const others = containers.filter(({ service, running }) => running && !own.has(service));
  const same = others.filter(({ image }) => going.has(image));
  if (same.length > 0) {
    return { ...base, outcome: "blocked", detail: `not among the services of the rollback's configuration, but with the image that is rolled back: ${listed(same)}`, hint: `Stop what is of the release with \`docker stop ${namesOf(same)}\`, then plan again: it would go on, and write to the database while that is rolled back.` };
  }
  const made = since === undefined ? [] : others.filter(({ createdAt }) => createdAt > since);
  if (made.length > 0) {
    return { ...base, outcome: "warn", detail: `made since the checkpoint, and neither stopped nor rolled back: ${listed(made)}`, hint: `If it is of the release, run \`docker stop ${namesOf(made)}\` first: it would go on, and write to the database while that is rolled back.` };
  }
  return { ...base, outcome: "ok", detail: others.length === 0 ? "nothing else runs in the project" : `left as they are: ${[...new Set(others.map(({ service }) => service))].join(", ")}` };
}

const listed = (containers: readonly Container[]): string => containers.map(({ name, reference }) => `${name} (${reference})`).join(", ");
const namesOf = (containers: readonly Container[]): string => containers.map(({ name }) => name).join(" ");
