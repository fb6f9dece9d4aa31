/** Which checkpoint is meant: by the release that a rollback goes back to, or by the release that was deployed after it. */
import { HoldfastError } from "../../errors.ts";
import type { CheckpointEntry, CheckpointRecord, UntrustedCheckpoint } from "./records.ts";

const isTrusted = (entry: CheckpointEntry): entry is CheckpointRecord => entry.problem === undefined;
const listHint = "`holdfast checkpoint list` shows what there is.";

/**
 * The checkpoint that a rollback goes back to.
 * @param entries - newest first, as {@link listCheckpoints} gives them
 * @param to - the release that ran when it was taken, or the id of a checkpoint; by default the newest
 * @param onPassedOver - told of each newer one that would have been meant, but cannot be trusted
 * @throws HoldfastError `not-found` with what there is; `integrity` if only one that cannot be trusted would fit
 */
export function findTarget(entries: readonly CheckpointEntry[], to?: string, onPassedOver?: (entry: UntrustedCheckpoint) => void): CheckpointRecord {
  const found = choose(entries, to, (entry) => (entry.checkpoint ?? entry.claims).running, onPassedOver);
  if (found) return found;
  const before = entries.find((entry) => (entry.checkpoint ?? entry.claims).release === to);
  if (before?.problem) throw before.problem;
  if (before?.checkpoint) {
    const { id, running } = before.checkpoint;
    throw new HoldfastError("not-found", `no checkpoint has ${String(to)} as the release that ran: ${id} was taken before ${String(to)} was deployed, and goes back to ${running}`, {
      hints: [`Go back to ${running} with --to ${running}.`, listHint],
      details: { to, checkpoint: id, running },
    });
  }
  throw unknown(entries, `no checkpoint goes back to ${named(to)}`, ({ id, running }) => `${running} (${id})`);
}

/**
 * The checkpoint that was taken before a deploy.
 * @param of - the release that was deployed, or the id of a checkpoint; by default the newest
 * @throws HoldfastError as {@link findTarget}
 */
export function findBefore(entries: readonly CheckpointEntry[], of?: string, onPassedOver?: (entry: UntrustedCheckpoint) => void): CheckpointRecord {
  const found = choose(entries, of, (entry) => (entry.checkpoint ?? entry.claims).release, onPassedOver);
  if (found) return found;
  throw unknown(entries, `no checkpoint was taken before ${named(of)}`, ({ id, release }) => `${release} (${id})`);
}

/** A script whose variable is not set gives an empty name, which could not be seen. */
const named = (release: string | undefined): string => (release === "" ? '""' : String(release));

function choose(entries: readonly CheckpointEntry[], name: string | undefined, releaseOf: (entry: CheckpointEntry) => string | undefined, onPassedOver?: (entry: UntrustedCheckpoint) => void): CheckpointRecord | undefined {
  const exact = entries.find(({ id }) => id === name);
  const meant = exact ? [exact] : entries.filter((entry) => name === undefined || releaseOf(entry) === name);
  const found = meant.find(isTrusted);
  for (const entry of found ? meant.slice(0, meant.indexOf(found)) : []) if (entry.problem) onPassedOver?.(entry);
  if (found) return found;
  if (meant[0]?.problem) throw meant[0].problem;
  if (entries.length === 0) throw new HoldfastError("not-found", "there is no checkpoint yet", { hints: ["Take one before each deploy: holdfast checkpoint create --release NAME."] });
  return undefined;
}

function unknown(entries: readonly CheckpointEntry[], what: string, show: (checkpoint: CheckpointRecord["checkpoint"]) => string): HoldfastError {
  const there = entries.flatMap(({ checkpoint }) => (checkpoint ? show(checkpoint) : []));
  const shown = there.slice(0, 8).join(", ") || "none that can be trusted";
  return new HoldfastError("not-found", `${what}; there ${there.length === 1 ? "is" : "are"} ${shown}${there.length > 8 ? `, and ${there.length - 8} more` : ""}`, { hints: [listHint] });
}
