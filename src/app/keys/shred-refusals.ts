/** Why a backup must not be shredded now. Nothing has been changed when one of these is thrown. */
import { isInForce, readHold } from "../../catalog/holds.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { shellWord } from "../../process/shell-word.ts";
import type { RetainedBackup } from "../../retention/backup.ts";
import { isVersionedStore } from "../../store/object-versions.ts";
import type { Context, Workplace } from "../context.ts";
import { gatherFacts } from "../backup/retention-facts.ts";

export interface Shredding {
  readonly database: string;
  readonly id: string;
  /** Its manifest is still there: this is not the rest of a shredding that was cut short. */
  readonly listed: boolean;
  readonly confirm: string | undefined;
  /** Keys of the objects that are to be destroyed. */
  readonly keyObjects: readonly string[];
}

export async function refuseToShred(context: Context, workplace: Workplace, shredding: Shredding): Promise<void> {
  await refuseHeld(context, workplace.repository, shredding);
  await refuseLocked(context, workplace.repository, shredding);
  await refuseUnconfirmed(context, workplace, shredding);
}

/** @throws HoldfastError `refused` if somebody has put a hold on the backup */
async function refuseHeld({ clock }: Context, repository: Repository, { id }: Shredding): Promise<void> {
  const { hold } = await readHold(repository, id);
  if (!isInForce(hold, clock.now())) return;
  throw new HoldfastError("refused", `backup ${id} is held ${hold.until === null ? "until it is released" : `until ${hold.until.toISOString()}`} (${hold.reason}), and what is held is not destroyed`, {
    hints: [`Release it first, if you may: holdfast backup release ${id} --reason TEXT.`],
    details: { backup: id },
  });
}

/** @throws HoldfastError `refused` if the store would refuse to delete a version of the key, with the time from when on it will not */
async function refuseLocked({ clock }: Context, { store }: Repository, { id, keyObjects }: Shredding): Promise<void> {
  if (!isVersionedStore(store)) return;
  const versions = (await Promise.all(keyObjects.map((key) => store.versionsOf(key)))).flat();
  const until = versions.flatMap(({ lockedUntil }) => (lockedUntil !== undefined && lockedUntil > clock.now() ? lockedUntil : [])).sort((a, b) => b.getTime() - a.getTime())[0];
  if (until !== undefined) {
    throw new HoldfastError("refused", `the key of backup ${id} is under object lock until ${until.toISOString()}, and the store would refuse to destroy it`, {
      hints: [`Run this again after ${until.toISOString()}. A governance lock can be lifted before by whoever has that right; a compliance lock by nobody.`],
      details: { backup: id, lockedUntil: until.toISOString() },
    });
  }
  if (versions.some(({ legalHold }) => legalHold)) {
    throw new HoldfastError("refused", `the key of backup ${id} is under a legal hold of the store, which would refuse to destroy it`, { hints: ["Whoever has put the legal hold on it can lift it."], details: { backup: id } });
  }
}

/** @throws HoldfastError `refused` unless the operator has typed what the case asks for */
async function refuseUnconfirmed(context: Context, workplace: Workplace, shredding: Shredding): Promise<void> {
  const { id, database, confirm, listed } = shredding;
  const last = listed ? await whatItIs(context, workplace, shredding) : undefined;
  const wanted = last === undefined ? id : `${id} is ${last}`;
  if (confirm === wanted) return;
  const what = `shredding destroys the key of ${last === undefined ? `backup ${id}` : `${id}, ${last} of ${database}`}, and nobody can open it again`;
  throw new HoldfastError("refused", confirm === undefined ? `${what}; it was not confirmed` : `${what}; --confirm says ${JSON.stringify(confirm)}`, {
    hints: [
      ...(last === undefined ? [] : [last.includes("checkpoint") ? "No rollback can bring back that checkpoint's data afterwards: images only, or reviewed down-SQL, are left." : "Make and verify another backup first, unless nothing is to be left."]),
      `Confirm with --confirm ${shellWord(wanted)}.`,
    ],
  });
}

/** "the last backup" or "the last proved backup", if the shredding would leave none; "the backup of checkpoint …", if one goes back to it. */
async function whatItIs({ clock }: Context, workplace: Workplace, { id, database }: Shredding): Promise<string | undefined> {
  const { backups } = await gatherFacts(workplace, database, clock.now());
  const checkpoint = backups.find((backup) => backup.id === id)?.checkpoint ?? undefined;
  return lastOfItsKind(backups.filter(({ problem }) => problem === null), id) ?? (checkpoint === undefined ? undefined : `the backup of checkpoint ${checkpoint}`);
}

function lastOfItsKind(good: readonly RetainedBackup[], id: string): string | undefined {
  const others = good.filter((backup) => backup.id !== id);
  if (others.length === 0) return "the last backup";
  const isProved = ({ proved, verification }: RetainedBackup): boolean => proved !== null || verification.state === "passed";
  return good.some((backup) => backup.id === id && isProved(backup)) && !others.some(isProved) ? "the last proved backup" : undefined;
}
