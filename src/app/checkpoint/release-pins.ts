/** What a new checkpoint tidies up: the images of checkpoints that no longer protect anything need not be kept from being pruned. */
import { isDeepStrictEqual } from "node:util";

import { messageOf } from "../../errors.ts";
import { listCheckpoints, type CheckpointRecord } from "../../rollback/checkpoint/records.ts";
import { listRollbacks } from "../../rollback/plan/records.ts";
import type { CheckpointPins, Platform } from "../../rollback/platform/platform.ts";
import type { Context, Workplace } from "../context.ts";
import { protecting } from "./protection.ts";

/**
 * Gives up the pins of the trusted checkpoints of this place that do not protect their backup any more (docs/decisions/0061), and
 * tells of it. A failure is warned of: the checkpoint that was just taken stands.
 * @returns the ids of the checkpoints whose pins were given up
 */
export async function releaseOldPins({ clock, reporter, signal }: Context, { repository }: Workplace, database: string, platform: Platform): Promise<string[]> {
  const warn = (why: string): void => { reporter.emit({ type: "note", level: "warn", message: `the images of old checkpoints are still kept from being pruned: ${why}` }); };
  try {
    const entries = await listCheckpoints(repository, database);
    const kept = new Set(protecting(entries, clock.now()).map(({ id }) => id));
    const here = entries.filter((entry): entry is CheckpointRecord => entry.problem === undefined && isHere(entry, platform));
    const old = here.filter(({ id }) => !kept.has(id));
    if (old.length === 0) return [];
    // What is under way, or may be, can need any of them, to go on or to go back.
    if ((await listRollbacks(repository, database)).some(({ outcome }) => outcome === undefined)) return [];
    const { released, failed } = await platform.unpin(old.map(pinsOf), here.filter(({ id }) => kept.has(id)).map(pinsOf), signal);
    for (const [checkpoint, tags] of released) reporter.emit({ type: "note", level: "info", message: `checkpoint ${checkpoint} protects nothing any more, so its images are not kept from being pruned: ${tags.join(", ")}` });
    if (failed.length > 0) warn(failed.join("; "));
    return [...released.keys()];
  } catch (error) {
    warn(messageOf(error));
    return [];
  }
}

const pinsOf = ({ id, checkpoint: { state } }: CheckpointRecord): CheckpointPins => ({ checkpoint: id, state });

/** Files and services may have changed since; the engine and the project must be the same. */
function isHere({ checkpoint: { state } }: CheckpointRecord, { kind, address }: Platform): boolean {
  return state.platform === kind && isDeepStrictEqual([state.address["project"], state.address["context"]], [address["project"], address["context"]]);
}
