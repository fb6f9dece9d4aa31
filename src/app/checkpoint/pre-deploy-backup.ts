/** The backup that a checkpoint is bound to: a recent one of the very same ledgers and schema, or a new one. */
import { readSignedManifest, type SignedManifest } from "../../catalog/authenticity.ts";
import { readKeySidecar } from "../../catalog/key-sidecar.ts";
import { listSummaries } from "../../catalog/summaries.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { isPartial } from "../../postgres/dump.ts";
import { formatDuration } from "../../text/format.ts";
import { checkSize } from "../backup/check-parts.ts";
import { createBackup } from "../backup/create-backup.ts";
import { type Context, databaseNamed, type Workplace } from "../context.ts";
import { filterOf } from "../backup/dump-filter.ts";
import type { DatabaseState } from "../database-state.ts";
import { ledgerDifference } from "./ledger-difference.ts";

export const preDeployLabel = "pre-deploy";

export interface BackupWish {
  readonly database: string;
  readonly release: string;
  /** Milliseconds; undefined: always a new one. */
  readonly reuseWithinMs: number | undefined;
  readonly reason: string | undefined;
  readonly lockWaitMs: number | undefined;
}

export interface ChosenBackup {
  readonly signed: SignedManifest;
  readonly reused: boolean;
}

/** @throws HoldfastError what `createBackup` throws; nothing about a backup that cannot be reused: a new one is taken */
export async function preDeployBackup(context: Context, { repository }: Workplace, wish: BackupWish, now: DatabaseState): Promise<ChosenBackup> {
  const { database, release, reason } = wish;
  const recent = wish.reuseWithinMs === undefined ? undefined : await reusable(context, repository, wish, wish.reuseWithinMs, now);
  if (recent && "signed" in recent) return { signed: recent.signed, reused: true };
  if (recent) context.reporter.emit({ type: "note", level: "info", message: `${recent.id} is not reused: ${recent.no}` });
  const { manifest } = await createBackup(context, { database, label: preDeployLabel, reason: `before the deploy of ${release}${reason === undefined ? "" : `: ${reason}`}`, lockWaitMs: wish.lockWaitMs });
  return { signed: await readBackup(repository, database, manifest.id), reused: false };
}

/** The manifest as it stands in the repository. @throws HoldfastError `not-found` if the backup is gone; `integrity` */
export async function readBackup(repository: Repository, database: string, id: string): Promise<SignedManifest> {
  const signed = await readSignedManifest(repository, database, id);
  if (signed) return signed;
  throw new HoldfastError("not-found", `backup ${id}, which the checkpoint would be bound to, is gone`, { hints: ["Somebody removed it meanwhile: see `holdfast audit show`, then take the checkpoint again."] });
}

/** The newest backup, if it is young enough, of the present ledgers and schema, and there as far as its sizes tell; else why not. */
async function reusable(context: Context, repository: Repository, { database }: BackupWish, withinMs: number, now: DatabaseState): Promise<{ readonly signed: SignedManifest } | { readonly id: string; readonly no: string } | undefined> {
  const { entries } = await listSummaries(repository, database);
  const newest = entries.find(({ summary }) => summary !== undefined)?.summary;
  if (newest === undefined) return undefined;
  const { id } = newest;
  const age = context.clock.now().getTime() - Date.parse(newest.snapshotAt);
  if (age < 0) return { id, no: "its snapshot lies ahead of this host's clock" };
  if (age > withinMs) return { id, no: `its snapshot is ${formatDuration(age / 1000)} old` };
  if (newest.partial && !isPartial(filterOf(databaseNamed(context.config, database)))) return { id, no: "it is partial" };
  try {
    const signed = await readBackup(repository, database, id);
    const unlike = unlikeNow(signed, now);
    if (unlike !== undefined) return { id, no: unlike };
    await requireThere(repository, signed);
    return { signed };
  } catch (error) {
    if (error instanceof HoldfastError && (error.code === "integrity" || error.code === "not-found")) return { id, no: error.message };
    throw error;
  }
}

/** Why a backup does not hold what the database is now, as a clause; undefined if it does. */
export function unlikeNow({ manifest }: Pick<SignedManifest, "manifest">, now: DatabaseState): string | undefined {
  const { migrations, schema } = manifest.truth;
  const moved = ledgerDifference(migrations, now.ledgers);
  if (moved !== undefined) return `${moved} since its snapshot`;
  return schema.fingerprint === now.schema.fingerprint ? undefined : "the schema changed since its snapshot";
}

/** @throws HoldfastError `integrity` unless key and parts of the backup are there, in their sizes */
export async function requireThere(repository: Repository, { manifest }: Pick<SignedManifest, "manifest">): Promise<void> {
  await readKeySidecar(repository, manifest);
  for (const part of manifest.parts) await checkSize(repository, manifest, part);
}
