/** The way of a drill from a backup to its copy in the scratch, on the clock. Each step is a check that all after it rest on. */
import { type Manifest, partNamed, storedBytes } from "../../catalog/manifest.ts";
import type { DrillJournal } from "../../drill/journal.ts";
import type { Scratch } from "../../drill/scratch/scratch.ts";
import { HoldfastError } from "../../errors.ts";
import { createDatabaseLike } from "../../postgres/databases.ts";
import { openAdminSession } from "../../postgres/server.ts";
import { SqlError } from "../../postgres/session.ts";
import { counted } from "../../text/format.ts";
import { checkContents } from "../backup/check-contents.ts";
import { checkHash, checkSize } from "../backup/check-parts.ts";

import { type Context, requireIdentities, type Workplace } from "../context.ts";
import { essentials } from "./drill-checks.ts";
import { openBackupKey } from "../backup/open-part.ts";
import type { RestoreOptions, RestoreWork } from "../restore/restore-backup.ts";
import { analyzeCopy, applyProperties, createMissingRoles, restoreContent } from "../restore/restore-content.ts";
import { preflight } from "../restore/restore-preflight.ts";

/** What the steps of one drill share. */
export interface DrillWork {
  readonly context: Context;
  readonly workplace: Workplace;
  readonly journal: DrillJournal;
  readonly manifest: Manifest;
}

/** All of the backup, with its owners and grants, as if the server had been lost. */
const wholeBackup: Omit<RestoreOptions, "choice" | "into"> = {
  swap: false, dryRun: false, tables: [], mode: "all", jobs: 1, noOwner: false, roleMap: new Map(), createRoles: true, drainMs: 0,
};

const plainBytes = (manifest: Manifest): number => manifest.parts.reduce((sum, part) => sum + part.plainBytes, 0);

/**
 * Fetches every part and proves it to be the one that was signed, then opens each and reads it to its end.
 * @returns the backup's one-off identity
 * @throws DrillStopped
 */
export async function fetchAndOpen({ context, workplace: { repository }, journal, manifest }: DrillWork): Promise<string> {
  const { reporter, signal, config } = context;
  const identity = await journal.essential(
    essentials.key,
    async () => openBackupKey(repository, manifest, await requireIdentities(config)),
    () => ({ detail: `it was encrypted to ${counted(manifest.encryption.keyRecipients.length, "recipient")}` }),
  );
  const stored = storedBytes(manifest);
  await journal.phase("fetch", stored, () =>
    journal.essential(essentials.hashes, async () => {
      for (const part of manifest.parts) await checkSize(repository, manifest, part);
      let done = 0;
      for (const part of manifest.parts) {
        await checkHash(repository, manifest, part, signal, (bytes) => { reporter.emit({ type: "progress", step: "fetch", bytes: done + bytes, total: stored }); });
        done += part.bytes;
      }
    }, () => ({ detail: `${counted(manifest.parts.length, "part")}, ${counted(stored, "byte")}`, compared: manifest.parts.length })),
  );
  await journal.phase("decrypt", plainBytes(manifest), () =>
    journal.essential(
      essentials.archive,
      () => checkContents(context, repository, manifest, identity, (bytes, total) => { reporter.emit({ type: "progress", step: "decrypt", bytes, total }); }),
      () => ({ detail: `${counted(manifest.parts.length, "part")} read to the end, ${counted(plainBytes(manifest), "byte")}`, compared: manifest.parts.length }),
    ),
  );
  return identity;
}

/**
 * Restores the whole backup into the scratch and calls `use` with the finished copy.
 * @throws DrillStopped
 */
export async function restoreIntoScratch(drill: DrillWork, identity: string, scratch: Scratch, use: (work: RestoreWork) => Promise<void>): Promise<void> {
  const { context, workplace, journal, manifest } = drill;
  const { server, database } = scratch;
  const admin = await openAdminSession(server, context.signal);
  try {
    const { pid: adminPid } = await admin.row<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const options: RestoreOptions = { ...wholeBackup, choice: { id: manifest.id }, into: database };
    const work: RestoreWork = { context, workplace, server, admin, adminPid, manifest, identity, options, target: database, roleMarker: scratch.roleMarker };
    await journal.essential(essentials.scratch, () => preflight(work), (checks) => ({ detail: checks.map(({ name, detail }) => `${name}: ${detail}`).join("; "), compared: checks.length }));
    await journal.phase("restore", partNamed(manifest, "data").plainBytes, () =>
      journal.essential(essentials.restore, () => saidByServer(async () => {
        await createMissingRoles(work);
        await createDatabaseLike(admin, database, manifest.truth.database, server.facts.versionNum);
        await restoreContent(work, database);
      }), () => ({ detail: `${counted(manifest.truth.tables.length, "table")}, ${counted(manifest.roles.length, "role")}, stopping at the first error`, compared: manifest.truth.tables.length })),
    );
    await journal.phase("analyze", null, () =>
      journal.essential(essentials.settings, () => saidByServer(async () => {
        await analyzeCopy(work, database);
        await applyProperties(work, database);
      }), () => ({ detail: "planner statistics gathered, owner, settings and grants of the database applied" })),
    );
    await scratch.copied?.();
    await use(work);
  } finally {
    await admin.close();
  }
}

async function saidByServer(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof SqlError) throw new HoldfastError("restore-failed", `the server refused a statement: ${error.message}`, { cause: error });
    throw error;
  }
}
