/** The story of a verification, in three levels: what is there, that it is unchanged, that it opens and is whole. */
import type { BackupChoice } from "../../catalog/choice.ts";
import { readKeySidecar } from "../../catalog/key-sidecar.ts";
import { listBackups } from "../../catalog/listing.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { runStep } from "../../ports.ts";
import { checkContents } from "./check-contents.ts";
import { checkHash, checkSize } from "./check-parts.ts";
import { chooseAloud } from "./choose-aloud.ts";
import { type Context, databaseNamed, requireIdentities, type Workplace } from "../context.ts";
import { openBackupKey } from "./open-part.ts";
import { openFor, recorded, recordedIfFailed } from "../record.ts";

/**
 * `stat`: signatures and sizes. `hash`: also the SHA-256 of every part. `archive`: also decrypts and decompresses every
 * part, reads the archives through pg_restore to their end, and counts the rows in them against the truth.
 */
export type VerifyLevel = "stat" | "hash" | "archive";

export interface VerifyOptions {
  readonly database?: string | undefined;
  readonly choice: BackupChoice | "all";
  readonly level: VerifyLevel;
}

/** How one backup fared. */
export interface Verdict {
  readonly id: string;
  readonly level: VerifyLevel;
  readonly ok: boolean;
  readonly parts: readonly string[];
  readonly bytes: number;
  readonly error?: HoldfastError;
}

/**
 * Verifies one backup or all of a database's.
 * @returns a verdict for each; never empty
 * @throws HoldfastError `not-found` when there is nothing to verify; a check that compares nothing does not pass
 */
export async function verifyBackups(context: Context, options: VerifyOptions): Promise<Verdict[]> {
  const { choice } = options;
  const database = databaseNamed(context.config, options.database);
  const action = { action: "verify", subject: { database: database.name, ...(choice !== "all" && "id" in choice && { backup: choice.id }) } };
  const workplace = await openFor(context, action);
  try {
    const { identities, targets } = await recordedIfFailed(context, workplace, action, async () => ({
      identities: options.level === "archive" ? await requireIdentities(context.config) : [],
      targets: await targetsOf(context, workplace, database.name, choice),
    }));
    context.reporter.emit({ type: "plan", steps: targets.map(({ id }) => ({ id, title: `verify ${id} (${options.level})` })) });
    const verdicts: Verdict[] = [];
    for (const target of targets) verdicts.push(await verifyOne(context, workplace, target, options.level, identities));
    return verdicts;
  } finally {
    await workplace.close();
  }
}

type Target = { readonly id: string; readonly database: string; readonly manifest?: Manifest; readonly problem?: HoldfastError };

async function targetsOf(context: Context, workplace: Workplace, database: string, choice: VerifyOptions["choice"]): Promise<Target[]> {
  if (choice !== "all") {
    const manifest = await chooseAloud(context, workplace.repository, database, choice);
    return [{ id: manifest.id, database: manifest.database, manifest }];
  }
  const entries = await listBackups(workplace.repository, database);
  if (entries.length === 0) {
    throw new HoldfastError("not-found", `no backup of ${database} in ${workplace.repository.store.url}, so nothing was verified`, { hints: [`Make one with \`holdfast backup --database ${database}\`.`] });
  }
  return entries;
}

async function verifyOne(context: Context, workplace: Workplace, target: Target, level: VerifyLevel, identities: readonly string[]): Promise<Verdict> {
  const { id, manifest } = target;
  const parts = ["manifest", "key", ...(manifest?.parts.map(({ name }) => name) ?? [])];
  const bytes = manifest?.parts.reduce((sum, part) => sum + part.bytes, 0) ?? 0;
  try {
    await recorded(context, workplace, { action: "verify", subject: { database: target.database, backup: id, level } }, () =>
      runStep(context.reporter, id, async () => {
        if (manifest === undefined) throw target.problem ?? new HoldfastError("integrity", `${id} has no manifest`);
        await verifyManifest(context, workplace.repository, manifest, level, identities);
      }, () => `${parts.length} parts, ${bytes} bytes`),
    );
    return { id, level, ok: true, parts, bytes };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return { id, level, ok: false, parts, bytes, error };
    throw error;
  }
}

async function verifyManifest(context: Context, repository: Repository, manifest: Manifest, level: VerifyLevel, identities: readonly string[]): Promise<void> {
  await readKeySidecar(repository, manifest);
  for (const part of manifest.parts) await checkSize(repository, manifest, part);
  let done = 0;
  const total = manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const progress = (bytes: number): void => { context.reporter.emit({ type: "progress", step: manifest.id, bytes: done + bytes, total }); };
  if (level === "hash") {
    for (const part of manifest.parts) {
      await checkHash(repository, manifest, part, context.signal, progress);
      done += part.bytes;
    }
  }
  if (level === "archive") await checkContents(context, repository, manifest, await openBackupKey(repository, manifest, identities), (bytes, plain) => { context.reporter.emit({ type: "progress", step: manifest.id, bytes, total: plain }); });
}
