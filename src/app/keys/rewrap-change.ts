/** What a rewrap is asked to change, and what it must not be asked. */
import { HoldfastError } from "../../errors.ts";
import { parseRecipients } from "../../pipeline/age-keys.ts";

export interface Change {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** @throws HoldfastError `usage` if one is no recipient, if one is both added and removed, or if nothing is to change */
export function parseChange({ add, remove }: Change): Change {
  const change = { add: parsed("--add", add), remove: parsed("--remove", remove) };
  const both = change.add.find((recipient) => change.remove.includes(recipient));
  if (both !== undefined) throw new HoldfastError("usage", `${both} is both added and removed`, { hints: ["Give it to one of --add and --remove."] });
  if (change.add.length + change.remove.length === 0) {
    throw new HoldfastError("usage", "neither --add nor --remove names a recipient, so nothing would change", { hints: ["Name an age recipient (age1…) with --add, --remove, or both."] });
  }
  return change;
}

function parsed(flag: string, texts: readonly string[]): string[] {
  if (texts.length === 0) return [];
  try {
    return parseRecipients(texts);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    throw new HoldfastError("usage", `${flag}: ${error.message}`, { hints: error.hints });
  }
}

/** A mistyped recipient that is removed from nothing would look like a key that was revoked. */
export function requireKnown({ remove }: Change, named: ReadonlySet<string>): void {
  const unknown = remove.find((recipient) => !named.has(recipient));
  if (unknown === undefined) return;
  throw new HoldfastError("not-found", `no backup is or was encrypted to ${unknown}, so it cannot be removed`, { hints: ["`holdfast keys check` shows the recipients of each backup."] });
}

/** @throws HoldfastError `refused` if nobody could open the backup, or fewer than the minimum and fewer than before */
export function requireRecipients(id: string, before: readonly string[], after: readonly string[], { minimum, belowMinimum }: { readonly minimum: number; readonly belowMinimum: boolean }): void {
  if (after.length === 0) {
    throw new HoldfastError("refused", `backup ${id} would have no recipient left, and nobody could open it again`, {
      hints: ["Add another recipient with --add in the same command.", "If nobody is to open it again, that is `holdfast backup shred`."],
    });
  }
  if (after.length >= minimum || after.length >= before.length || belowMinimum) return;
  throw new HoldfastError("refused", `backup ${id} would be opened by ${after.length} ${after.length === 1 ? "key" : "keys"} instead of ${before.length}, but at least ${minimum} are wanted`, {
    hints: ["Add another recipient with --add in the same command, or say --below-minimum if this is meant."],
  });
}

/** What nobody at hand can open cannot be proved to open. */
export function requireOpenAfter(id: string, after: readonly string[], atHand: readonly string[]): void {
  if (after.some((recipient) => atHand.includes(recipient))) return;
  throw new HoldfastError("refused", `none of the ${atHand.length} identities at hand would open backup ${id} afterwards, so the rewrap could not be proved`, {
    hints: ["Put the identity of a recipient that stays or is added into the identity file too, beside the one that opens the backups now.", "Or add the new recipient first, and remove the old one later from where the new identity is."],
  });
}
