/** What a backup's folder without a manifest is: nobody counts it, but not everything in it may go. */
import type { StoredObject } from "../store/store.ts";
import { keyFile } from "./layout.ts";
import { isPartFile } from "./places.ts";

export type UnpublishedKind =
  /** Parts of a run that was killed, or of a backup that was being removed. */
  | "unfinished-backup"
  /** A key that opens nothing. */
  | "orphaned-key"
  /** Signatures of what is not there. */
  | "orphaned-signature"
  /** Parts and their key, of a backup that was published and that nobody is known to have removed. */
  | "lost-manifest";

/** @param history - whether the backup was published once, and whether its removal was ever begun */
export function unpublishedKind(files: Iterable<string>, history: { readonly published: boolean; readonly removed: boolean }): UnpublishedKind {
  const names = [...files];
  const hasKey = names.includes(keyFile);
  if (names.some(isPartFile)) return hasKey && history.published && !history.removed ? "lost-manifest" : "unfinished-backup";
  return hasKey ? "orphaned-key" : "orphaned-signature";
}

/** When the last of the objects was written. */
export function youngest(objects: Iterable<StoredObject>): Date {
  return new Date(Math.max(...[...objects].map(({ modified }) => modified.getTime())));
}
