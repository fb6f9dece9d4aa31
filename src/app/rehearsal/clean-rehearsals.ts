/** What rehearsals that were killed have left on the engine, beside their scratch: containers of the release, and a network. */
import { setTimeout as sleep } from "node:timers/promises";

import type { DatabaseConfig } from "../../config/config.ts";
import { isAbandoned, type Onlooker, readNote } from "../../drill/scratch/owner.ts";
import { scratchMark } from "../../drill/scratch/scratch.ts";
import { processTable } from "../../process/table.ts";
import { engineAt, findRehearsals, removeRehearsal } from "../../rollback/rehearsal/engine.ts";
import { rehearsalMark } from "../../rollback/rehearsal/mark.ts";
import type { Context } from "../context.ts";
import { engineCommand } from "./compose-stage.ts";

export interface RehearsalRemoval {
  readonly removed: readonly string[];
  readonly left: readonly string[];
  /** Of rehearsals that may still run. */
  readonly inUse: readonly string[];
}

const labelPrefix = "holdfast.";

/** Removes what belongs to no rehearsal that runs. The scratches are on their networks, and are to be removed before. */
export async function removeRehearsals({ clock, actor }: Context, { rollback }: DatabaseConfig): Promise<RehearsalRemoval> {
  const nothing: RehearsalRemoval = { removed: [], left: [], inUse: [] };
  if (rollback?.compose === undefined) return nothing;
  const engine = engineAt(engineCommand(rollback));
  const onlooker = { host: actor.host, now: () => clock.now() };
  await awaitOrphans(onlooker);
  // Without an engine there is nothing of it either.
  const found = await findRehearsals(engine).catch(() => []);
  const removed: string[] = [];
  const left: string[] = [];
  const inUse: string[] = [];
  for (const { project, labels } of found) {
    const note = readNote(Object.fromEntries(Object.entries(labels).map(([label, value]) => [label.slice(labelPrefix.length), value])));
    if (!(await isAbandoned(project, note, onlooker))) {
      inUse.push(project);
      continue;
    }
    const still = await removeRehearsal(engine, project);
    if (still.length === 0) removed.push(project);
    left.push(...still);
  }
  return { removed, left, inUse };
}

const orphanMs = 30_000;
const pollMs = 50;

/** Waits for what a killed rehearsal has still asked the engine to make: it would be there after it was looked for. */
async function awaitOrphans(onlooker: Onlooker): Promise<void> {
  for (let waited = 0; waited < orphanMs; waited += pollMs) {
    const names = (await processTable()).flatMap(({ command }) => / (?:network create|compose) .*?(holdfast-rehearsal-\d+-[0-9a-z]+-[0-9a-f]{8})/.exec(command)?.[1] ?? []);
    const orphans = await Promise.all(names.map((project) => isAbandoned(project.replace(rehearsalMark, scratchMark), undefined, onlooker)));
    if (!orphans.includes(true)) return;
    await sleep(pollMs);
  }
}
