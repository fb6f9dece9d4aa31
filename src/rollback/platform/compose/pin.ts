/**
 * Keeps images from being pruned. Tried on an engine: an extra tag saves an image that lost its own from `docker image prune`, but
 * not from `docker image prune --all`, which removes whatever no container uses; a container that was made and never started
 * does hold it there. So each image gets both. What neither can stop is `docker system prune --all`, which removes stopped
 * containers first: the preflight finds that.
 */
import { HoldfastError } from "../../../errors.ts";
import type { ImageState, PlatformState } from "../platform.ts";
import { sha256Of } from "./canonical.ts";
import type { Docker } from "./command.ts";
import { imageAt } from "./engine.ts";

/** In the characters of a tag: 1 to 128 of letters, digits, `_`, `.` and `-`; cut ones stay apart by a hash. */
export function tagOf(checkpoint: string): string {
  const tag = checkpoint.replaceAll(/[^\w.-]/g, "-").replace(/^[.-]/, "_");
  return tag === checkpoint && tag.length <= 128 ? tag : `${tag.slice(0, 115)}-${sha256Of(checkpoint).slice(0, 12)}`;
}

/** Under which the pins of a project lie. */
export function repositoriesOf(project: string): string {
  return `holdfast-checkpoint/${repositoryPart(project)}/`;
}

export function repositoryOf(project: string, service: string): string {
  return repositoriesOf(project) + repositoryPart(service);
}

/** In the characters of a repository: lower case, separators only between letters and digits. */
function repositoryPart(name: string): string {
  const clean = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-+|-+$/g, "");
  return clean === name ? clean : `${clean === "" ? "x" : clean}-${sha256Of(name).slice(0, 8)}`;
}

/** Name of the container that holds the image of such a tag. */
export function holderOf(tag: string): string {
  return tag.replaceAll(/[/:]/g, "_");
}

export const projectLabel = "holdfast.project";

export async function pin(docker: Docker, project: string, state: PlatformState, checkpoint: string, signal: AbortSignal): Promise<PlatformState> {
  for (const { name, images } of state.workloads) {
    if (images.length < 2) continue;
    throw new HoldfastError("refused", `the replicas of service ${name} run ${images.length} different images: ${images.map(({ id }) => id).join(", ")}`, { hints: ["Wait until the deployment has ended, or finish it, before the checkpoint is made."] });
  }
  const workloads = [];
  for (const workload of state.workloads) {
    const images: ImageState[] = [];
    for (const image of workload.images) images.push({ ...image, pinned: await pinned(docker, { project, service: workload.name, checkpoint, id: image.id }, signal) });
    workloads.push({ ...workload, images });
  }
  return { ...state, workloads };
}

async function pinned(docker: Docker, { project, service, checkpoint, id }: { project: string; service: string; checkpoint: string; id: string }, signal: AbortSignal): Promise<string> {
  const tag = `${repositoryOf(project, service)}:${tagOf(checkpoint)}`;
  const image = await imageAt(docker, id, signal);
  if (image === undefined) throw new HoldfastError("configuration", `the image ${id} of service ${service} is not on this engine any more, although a container was made of it`, { hints: ["Deploy the service again before the checkpoint is made: a container without its image cannot be brought back."] });
  await docker.docker(["tag", id, tag], signal);
  try {
    // Memory in place of the volumes that the image declares: otherwise each holder would leave empty ones behind.
    const mounts = image.volumes.flatMap((path) => ["--tmpfs", path]);
    await docker.docker(["create", "--name", holderOf(tag), "--label", `holdfast.checkpoint=${checkpoint}`, "--label", `${projectLabel}=${project}`, "--network", "none", ...mounts, "--entrypoint", "/holdfast-keeps-the-image", tag], signal);
  } catch (error) {
    if (!(error instanceof HoldfastError) || !/is already in use/i.test(error.message)) throw error;
  }
  return tag;
}
