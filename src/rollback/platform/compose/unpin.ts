/**
 * Gives up the pins of checkpoints that nobody goes back to any more: the containers that hold the images, and the tags. Nothing
 * is forced: an image that a container uses stays, and one that nothing but a pin has kept goes with its last pin.
 */
import { HoldfastError, messageOf } from "../../../errors.ts";
import type { CheckpointPins, Unpinned } from "../platform.ts";
import type { Docker } from "./command.ts";
import { imageAt } from "./engine.ts";
import { holderOf, projectLabel, repositoriesOf, tagOf } from "./pin.ts";

interface Pin {
  readonly tag: string;
  /** Content id of the image. */
  readonly id: string;
}

/** What of the pins is there. */
interface Engine {
  readonly tags: ReadonlySet<string>;
  readonly holders: ReadonlySet<string>;
}

export async function unpin(docker: Docker, project: string, { old, kept }: { readonly old: readonly CheckpointPins[]; readonly kept: readonly CheckpointPins[] }, signal: AbortSignal): Promise<Unpinned> {
  const released = new Map<string, string[]>();
  const failed: string[] = [];
  const engine = await lookAt(docker, project, signal);
  const needed = kept.flatMap((each) => pinsOf(each, project));
  for (const each of old) {
    for (const pin of pinsOf(each, project)) {
      if (!engine.tags.has(pin.tag) && !engine.holders.has(holderOf(pin.tag))) continue;
      try {
        if (await isNeeded(docker, pin, needed, engine, signal)) continue;
        await give(docker, pin, engine, signal);
        released.set(each.checkpoint, [...(released.get(each.checkpoint) ?? []), pin.tag]);
      } catch (error) {
        if (error instanceof HoldfastError && error.code === "cancelled") throw error;
        failed.push(`${pin.tag}: ${messageOf(error)}`);
      }
    }
  }
  return { released, failed };
}

/** A record is believed about its own pins only. */
function pinsOf({ checkpoint, state }: CheckpointPins, project: string): Pin[] {
  const isOwn = (tag: string): boolean => tag.startsWith(repositoriesOf(project)) && tag.endsWith(`:${tagOf(checkpoint)}`);
  return state.workloads.flatMap(({ images }) => images.flatMap(({ id, pinned }) => (pinned !== null && isOwn(pinned) ? [{ tag: pinned, id }] : [])));
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

async function lookAt(docker: Docker, project: string, signal: AbortSignal): Promise<Engine> {
  const tags = await docker.docker(["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", `reference=${repositoriesOf(project)}*`], signal);
  const holders = await docker.docker(["ps", "--all", "--format", "{{.Names}}", "--filter", `label=${projectLabel}=${project}`, "--filter", "status=created"], signal);
  return { tags: new Set(lines(tags)), holders: new Set(lines(holders)) };
}

/** Whether a checkpoint that counts has the same image, and lost its own pin of it. */
async function isNeeded(docker: Docker, { id }: Pin, needed: readonly Pin[], { tags, holders }: Engine, signal: AbortSignal): Promise<boolean> {
  const same = needed.filter((one) => one.id === id);
  for (const { tag } of same) if (tags.has(tag) && holders.has(holderOf(tag)) && (await imageAt(docker, tag, signal))?.id === id) return false;
  return same.length > 0;
}

async function give(docker: Docker, { tag }: Pin, { tags, holders }: Engine, signal: AbortSignal): Promise<void> {
  if (holders.has(holderOf(tag))) await docker.docker(["rm", holderOf(tag)], signal);
  if (!tags.has(tag)) return;
  await docker.docker(["image", "rm", tag], signal).catch((error: unknown) => {
    // A container runs it, and nothing else names it: the tag harms nobody, and goes when the container has gone.
    if (!(error instanceof HoldfastError) || !/conflict|is using its referenced image/i.test(error.message)) throw error;
  });
}
