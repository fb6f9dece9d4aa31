/** What rehearsals that were killed have left beside their scratch: a project of an engine, or a namespace of a cluster. */
import { setTimeout as sleep } from "node:timers/promises";

import type { DatabaseConfig } from "../../config/config.ts";
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { isAbandoned, type Onlooker } from "../../drill/scratch/owner.ts";
import { scratchMark } from "../../drill/scratch/scratch.ts";
import { processTable } from "../../process/table.ts";
import { engineAt, findRehearsals, removeRehearsal } from "../../rollback/rehearsal/compose/engine.ts";
import { findNamespaces, kubectlIn, removeNamespace } from "../../rollback/rehearsal/kubernetes/namespace.ts";
import { type Labels, rehearsalMark } from "../../rollback/rehearsal/mark.ts";
import type { Context } from "../context.ts";
import { engineCommand } from "./compose-stage.ts";
import { noteOfLabels } from "./place-name.ts";

export interface RehearsalRemoval {
  readonly removed: readonly string[];
  readonly left: readonly string[];
  /** Of rehearsals that may still run. */
  readonly inUse: readonly string[];
}

interface Remains {
  readonly name: string;
  readonly notes: Labels;
  remove(): Promise<readonly string[]>;
}

/** Removes what belongs to no rehearsal that runs. Scratches on the network of a project are to be removed before. */
export async function removeRehearsals({ clock, actor }: Context, { rollback }: DatabaseConfig): Promise<RehearsalRemoval> {
  const nothing: RehearsalRemoval = { removed: [], left: [], inUse: [] };
  if (rollback?.compose === undefined && rollback?.kubernetes === undefined) return nothing;
  const onlooker = { host: actor.host, now: () => clock.now() };
  await awaitOrphans(onlooker);
  const removed: string[] = [];
  const left: string[] = [];
  const inUse: string[] = [];
  for (const each of [...(await onEngine(rollback)), ...(await inCluster(rollback))]) {
    const { name, notes } = each;
    if (!(await isAbandoned(name.replace(rehearsalMark, scratchMark), noteOfLabels(notes), onlooker))) {
      inUse.push(name);
      continue;
    }
    const still = await each.remove();
    if (still.length === 0) removed.push(name);
    left.push(...still);
  }
  return { removed, left, inUse };
}

/** Without an engine there is nothing of it either. */
async function onEngine(settings: RollbackSettings): Promise<Remains[]> {
  if (settings.compose === undefined) return [];
  const engine = engineAt(engineCommand(settings));
  const found = await findRehearsals(engine).catch(() => []);
  return found.map(({ project, labels }) => ({ name: project, notes: labels, remove: () => removeRehearsal(engine, project) }));
}

/** Who may not list namespaces has made none. */
async function inCluster({ kubernetes }: RollbackSettings): Promise<Remains[]> {
  if (kubernetes === undefined) return [];
  const found = await findNamespaces(kubectlIn(kubernetes, kubernetes.namespace)).catch(() => []);
  return found.map(({ name, notes }) => ({ name, notes, remove: () => removeNamespace(kubectlIn(kubernetes, name)) }));
}

const orphanMs = 30_000;
const pollMs = 50;
const asked = / (?:network create|compose|--namespace) .*?(holdfast-rehearsal-\d+-[0-9a-z]+-[0-9a-f]{8})/;

/**
 * Waits for what a killed rehearsal has still asked the engine or the cluster to make: it would be there after it was looked
 * for. What only carries connections for it would never end.
 */
async function awaitOrphans(onlooker: Onlooker): Promise<void> {
  for (let waited = 0; waited < orphanMs; waited += pollMs) {
    const found = (await processTable()).flatMap(({ pid, command }) => {
      const name = asked.exec(command)?.[1];
      return name === undefined ? [] : [{ pid, name, carries: command.includes(" port-forward ") }];
    });
    const orphans = (await Promise.all(found.map(async (each) => ({ ...each, orphaned: await isAbandoned(each.name.replace(rehearsalMark, scratchMark), undefined, onlooker) })))).filter(({ orphaned }) => orphaned);
    for (const { pid } of orphans.filter(({ carries }) => carries)) endProcess(pid);
    if (orphans.length === 0) return;
    await sleep(pollMs);
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It has ended, or belongs to somebody else.
  }
}
