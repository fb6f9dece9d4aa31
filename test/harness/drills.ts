/** Drills without a command line, whose copy somebody changes before it is looked at. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import type { DrillChoice } from "../../src/app/drill/choose-for-drill.ts";
import { runDrill } from "../../src/app/drill/run-drill.ts";
import type { DrillSettings } from "../../src/config/drill-settings.ts";
import { type Evidence, parseEvidence } from "../../src/drill/evidence/evidence.ts";
import type { Scratch, ScratchProvider } from "../../src/drill/scratch/scratch.ts";
import { serverProvider } from "../../src/drill/scratch/server-scratch.ts";
import { HoldfastError } from "../../src/errors.ts";
import { parseDatabaseUrl } from "../../src/postgres/connection.ts";
import { openSession } from "../../src/postgres/session.ts";
import type { Bench } from "./context.ts";

export interface DrillSetup {
  readonly choice?: DrillChoice;
  /** SQL that is run in the copy when it is complete, before it is looked at. */
  readonly tamper?: string;
  readonly provider?: ScratchProvider;
  readonly settings?: Partial<DrillSettings>;
}

/** How a drill ended: its evidence, and the error where it did not pass. */
export interface DrillEnding {
  readonly evidence: Evidence;
  readonly error: HoldfastError | undefined;
}

/** The test server as a place for scratches: quicker to have than a cluster of its own. */
export function testServerScratch({ context }: Pick<Bench, "context">, url: string): ScratchProvider {
  return serverProvider({ url, source: { connection: parseDatabaseUrl(url), search: {} }, allowSourceServer: true, pgBin: undefined, host: context.actor.host, now: () => context.clock.now() });
}

/** A provider whose copies are changed when they are complete. */
export function tampering(provider: ScratchProvider, sql: string): ScratchProvider {
  return {
    name: provider.name,
    unavailable: (major) => provider.unavailable(major),
    leftovers: () => provider.leftovers(),
    provision: async (request) => {
      const scratch = await provider.provision(request);
      return { ...scratch, destroy: () => scratch.destroy(), copied: () => change(scratch, sql) };
    },
  };
}

async function change({ server, database }: Scratch, sql: string): Promise<void> {
  const session = await openSession(server.target(database));
  try {
    await session.execute(sql);
  } finally {
    await session.close();
  }
}

/** Drills and gives the evidence, read back from the repository, whatever the verdict. */
export async function drill(here: Pick<Bench, "context" | "folder">, { choice = { latest: true }, provider, tamper, settings }: DrillSetup): Promise<DrillEnding> {
  const [[name, database] = []] = here.context.config.databases;
  if (name === undefined || database === undefined) throw new Error("no database");
  const place = provider ?? testServerScratch(here, database.url);
  const config = { ...here.context.config, databases: new Map([[name, { ...database, drill: { ...database.drill, ...settings } }]]) };
  const before = new Set(await evidenceFolders(here));
  const error = await runDrill({ ...here.context, config }, { choice, providers: [tamper === undefined ? place : tampering(place, tamper)] }).then(() => undefined, (thrown: unknown) => {
    if (thrown instanceof HoldfastError) return thrown;
    throw thrown;
  });
  const made = (await evidenceFolders(here)).filter((folder) => !before.has(folder));
  const folder = made[0];
  if (folder === undefined) throw error ?? new Error("no evidence was left");
  return { evidence: parseEvidence(await readFile(join(folder, "evidence.json")), folder), error };
}

async function evidenceFolders({ folder }: Pick<Bench, "folder">): Promise<string[]> {
  const drills = join(folder, "repository", "ehr", "drills");
  return (await readdir(drills).catch(() => [])).map((id) => join(drills, id)).sort();
}
