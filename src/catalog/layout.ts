/** Where things lie in a repository: format 1, as FORMAT.md describes it. Nobody else builds a key. */

export const formatVersion = 1;
export const markerKey = "holdfast.json";
export const timelineFolder = "timeline";
/** Where a copy keeps the timeline of the repository that it is a copy of. No database can have this name: it has a dot. */
export const escrowFolder = "origin.timeline";

/** File names inside a backup's folder. */
export const manifestFile = "manifest.json";
export const keyFile = "key.age";
/** Who can open `key.age` since its last rewrap; there is none before the first. */
export const keyRecordFile = "key.json";
export const signatureSuffix = ".sig";

export const backupsFolder = (database: string): string => `${database}/backups/`;
export const backupFolder = (database: string, id: string): string => `${backupsFolder(database)}${id}/`;
export const backupKey = (database: string, id: string, file: string): string => `${backupFolder(database, id)}${file}`;
/** A cache of what the manifests say: see backup-index.ts. */
export const indexKey = (database: string): string => `${database}/index.jsonl`;
/** The record that a backup existed and was shredded; it outlives the backup's folder. */
export const shreddedFolder = (database: string): string => `${database}/shredded/`;
export const shreddedKey = (database: string, id: string): string => `${shreddedFolder(database)}${id}.json`;
export const holdKey = (database: string, id: string): string => `${database}/holds/${id}.json`;
export const checkpointsFolder = (database: string): string => `${database}/checkpoints/`;
export const checkpointKey = (database: string, id: string): string => `${checkpointsFolder(database)}${id}.json`;
/** What was seen after the deploy that the checkpoint was taken for; each time anew. */
export const deployedKey = (database: string, checkpoint: string, at: Date): string => `${checkpointsFolder(database)}${checkpoint}.deployed-${compactTime(at)}.json`;
export const rollbacksFolder = (database: string): string => `${database}/rollbacks/`;
/** `plan.json`, `outcome.json`, each with its signature, and `journal/0001.json`… */
export const rollbackKey = (database: string, id: string, file: string): string => `${rollbacksFolder(database)}${id}/${file}`;
export const runbooksFolder = (database: string): string => `${database}/runbooks/`;
/** Of the execution of a runbook: `begun.json` with its signature, and its journal. */
export const runbookKey = (database: string, id: string, file: string): string => `${runbooksFolder(database)}${id}/${file}`;
export const rehearsalsFolder = (database: string): string => `${database}/rehearsals/`;
export const rehearsalKey = (database: string, id: string): string => `${rehearsalsFolder(database)}${id}.json`;
export const incidentsFolder = (database: string): string => `${database}/incidents/`;
export const incidentKey = (database: string, id: string): string => `${incidentsFolder(database)}${id}.json`;
export const lockKey = (database: string, name: string): string => `${database}/locks/${name}.json`;

/** File names inside a drill's folder; each JSON but `begun.json` has its signature beside it. */
export const begunFile = "begun.json";
export const evidenceFile = "evidence.json";
export const reportIndexFile = "reports.json";
export const reportFiles = ["report.html", "report.md", "junit.xml"] as const;
export type ReportName = (typeof reportFiles)[number];

export const drillsFolder = (database: string): string => `${database}/drills/`;
export const drillKey = (database: string, id: string, file: string): string => `${drillsFolder(database)}${id}/${file}`;
export const certificationFile = (signer: string): string => `certification-${signer}.json`;

/** The id of the key that signed the certification of this file name; undefined if it is none's. */
export function certifierOf(file: string): string | undefined {
  return /^certification-([0-9a-f]{16})\.json$/.exec(file)?.[1];
}

/** A part's file name says how to open it, from the right: age, then zstd, then what is inside. */
export const partFile = (name: string, content: "pgdump" | "sql" | "json"): string => `${name}.${content}.zst.age`;

const idPattern = /^(?<database>[a-z0-9][a-z0-9_-]*)-(?<at>\d{8}T\d{6}Z)-(?<suffix>[0-9a-f]{4})$/;

/** `ehr-20261121T020000Z-7f3a` from its three facts; sorts by time within a database. */
export function backupId(database: string, at: Date, suffix: string): string {
  return `${database}-${compactTime(at)}-${suffix}`;
}

/** `20261121T020000Z`. */
export function compactTime(at: Date): string {
  return at.toISOString().replace(/[-:]|\.\d+/g, "");
}

type RecordKind = "rollback" | "runbook" | "rehearsal" | "incident";

/** `rollback-ehr-20261121T020000Z-7f3a`, and likewise for rehearsals and incidents: as a backup's id, and says what it is. */
export function recordId(kind: RecordKind, database: string, at: Date, suffix: string): string {
  return `${kind}-${backupId(database, at, suffix)}`;
}

/** The database's short name inside such an id, or undefined if it is none of that kind. */
export function databaseOfRecordId(kind: RecordKind, id: string): string | undefined {
  return id.startsWith(`${kind}-`) ? databaseOfId(id.slice(kind.length + 1)) : undefined;
}

/** The database's short name inside a backup id, or undefined if it is not one. */
export function databaseOfId(id: string): string | undefined {
  return idPattern.exec(id)?.groups?.["database"];
}

const drillPattern = /^drill-(?<rest>.+)$/s;

/** `drill-ehr-20261121T020000Z-7f3a`: as a backup's id, and says what it is of. */
export function drillId(database: string, at: Date, suffix: string): string {
  return `drill-${backupId(database, at, suffix)}`;
}

/** The database's short name inside a drill's id and the second that it names, or undefined if it is not one. */
export function partsOfDrillId(id: string): { readonly database: string; readonly at: Date } | undefined {
  const { database, at } = idPattern.exec(drillPattern.exec(id)?.groups?.["rest"] ?? "")?.groups ?? {};
  if (database === undefined || at === undefined) return undefined;
  const instant = new Date(at.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  return Number.isNaN(instant.getTime()) ? undefined : { database, at: instant };
}
