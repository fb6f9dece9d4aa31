/** Which rooms of a repository there are, told from the other side: what an object is by its key alone. */
import { databaseOfId, databaseOfRecordId, escrowFolder, indexKey, keyFile, manifestFile, markerKey, partsOfDrillId, signatureSuffix, timelineFolder } from "./layout.ts";

export type Place =
  /** `escrow`: the timeline of the repository that this is a copy of. */
  | { readonly room: "marker" | "timeline" | "escrow" | "probe" }
  | { readonly room: "backup"; readonly database: string; readonly id: string; readonly file: string }
  | { readonly room: "lock" | "drill" | "index" | "hold" | "checkpoint" | "rollback" | "runbook" | "rehearsal" | "incident"; readonly database: string }
  /** A backup whose key was destroyed on purpose. */
  | { readonly room: "shredded"; readonly database: string; readonly id: string };

const partPattern = /^[a-z][a-z0-9.-]*\.zst\.age$/;
const escrowPattern = /^[^/]+\/\d{4}\/\d{10}\.json$/;
const rollbackFile = /^(?:plan|outcome)\.json(?:\.sig)?$|^journal\/\d{4}\.json$/;
const runbookFile = /^begun\.json(?:\.sig)?$|^journal\/\d{4}\.json$/;
const databasePattern = /^[a-z0-9][a-z0-9_-]*$/;

/** The other objects of a backup's folder; `key.json` says who opens a key that was encrypted anew. */
const backupFiles: ReadonlySet<string> = new Set([manifestFile, keyFile, "key.json"].flatMap((file) => [file, file + signatureSuffix]));

export function isDatabaseName(name: string): boolean {
  return databasePattern.test(name);
}

export function isPartFile(file: string): boolean {
  return partPattern.test(file);
}

/** Undefined for an object that no Holdfast puts there. */
export function placeOf(key: string): Place | undefined {
  if (key === markerKey) return { room: "marker" };
  const [first = "", second = "", ...rest] = key.split("/");
  if (first === timelineFolder) return { room: "timeline" };
  if (first === escrowFolder && escrowPattern.test(key)) return { room: "escrow" };
  if (first === "probe" && second === "locks") return { room: "probe" };
  if (!databasePattern.test(first)) return undefined;
  return placeIn(first, second, rest, key);
}

function placeIn(database: string, room: string, rest: readonly string[], key: string): Place | undefined {
  const [name = "", file = "", ...deeper] = rest;
  if (room === "rollbacks") return databaseOfRecordId("rollback", name) === database && rollbackFile.test([file, ...deeper].join("/")) ? { room: "rollback", database } : undefined;
  if (room === "runbooks") return databaseOfRecordId("runbook", name) === database && runbookFile.test([file, ...deeper].join("/")) ? { room: "runbook", database } : undefined;
  if (deeper.length > 0) return undefined;
  if (room === "backups") return databaseOfId(name) === database && (backupFiles.has(file) || isPartFile(file)) ? { room: "backup", database, id: name, file } : undefined;
  if (room === "drills") return partsOfDrillId(name)?.database === database && file !== "" ? { room: "drill", database } : undefined;
  if (key === indexKey(database)) return { room: "index", database };
  if (file !== "") return undefined;
  if (room === "locks" && name.endsWith(".json")) return { room: "lock", database };
  const id = /^(?<id>.+)\.json(?:\.sig)?$/.exec(name)?.groups?.["id"];
  if (id === undefined) return undefined;
  if (room === "checkpoints") return { room: "checkpoint", database };
  if (room === "rehearsals") return databaseOfRecordId("rehearsal", id) === database ? { room: "rehearsal", database } : undefined;
  if (room === "incidents") return databaseOfRecordId("incident", id) === database ? { room: "incident", database } : undefined;
  if (databaseOfId(id) !== database) return undefined;
  if (room === "holds") return { room: "hold", database };
  return room === "shredded" ? { room: "shredded", database, id } : undefined;
}
