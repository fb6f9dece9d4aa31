/**
 * The record of an incident: every rollback opens one. All that was ever said about it stands in one object,
 * `<database>/incidents/<id>.json`, each record signed and chained to the one before. What cannot be trusted there is told
 * beside the rest, and hides nothing of it.
 */
import { z } from "zod";

import { databaseOfRecordId, incidentKey, incidentsFolder } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { continueChain, type Continued } from "../../catalog/chain-copy.ts";
import { appendToChain, type Chain, readChain, type Unchained } from "../../catalog/signed-chain.ts";
import { HoldfastError } from "../../errors.ts";
import { healthShape } from "../health/health.ts";
import { changesShape, downSqlLossShape, stopsShape, strategies, tableLossShape } from "../plan/plan.ts";
import { limited } from "./texts.ts";

const common = {
  format: z.literal(1),
  /** Its id, so that a record of another incident cannot stand here. */
  incident: z.string(),
  at: z.iso.datetime({ precision: 3 }),
  by: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable() }),
  previous: z.string().nullable(),
};

/** What was going to be done, and what it was going to cost. */
export const planSummaryShape = z.strictObject({
  strategy: z.enum(strategies),
  because: z.string(),
  /** The release that ran; null where that is not known. */
  from: z.string().nullable(),
  to: z.string(),
  checkpoint: z.string(),
  backup: z.string(),
  snapshotAt: z.string(),
  migrations: z.array(z.string()),
  stops: stopsShape,
  loss: z.strictObject({ data: z.boolean(), minutes: z.number(), tables: z.array(tableLossShape), changes: changesShape.optional(), downSql: downSqlLossShape.optional() }),
});
export type PlanSummary = z.infer<typeof planSummaryShape>;

export const incidentRecordSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    ...common,
    kind: z.literal("opened"),
    database: z.string(),
    severity: z.string(),
    title: z.string(),
    stakeholders: z.array(z.string()),
    /** Id of the rollback or of the runbook's execution; null for an incident without one. */
    rollback: z.string().nullable(),
    runbook: z.string().nullable(),
    plan: planSummaryShape.nullable(),
    health: healthShape.nullable(),
  }),
  z.strictObject({ ...common, kind: z.literal("step"), step: z.string(), title: z.string(), outcome: z.enum(["done", "failed", "taken-back"]), detail: z.string().nullable() }),
  z.strictObject({ ...common, kind: z.literal("health"), when: z.enum(["before", "after"]), health: healthShape }),
  z.strictObject({ ...common, kind: z.literal("outcome"), outcome: z.enum(["done", "failed", "aborted"]), message: z.string() }),
  z.strictObject({ ...common, kind: z.literal("note"), text: z.string() }),
  z.strictObject({ ...common, kind: z.literal("closed"), resolution: z.string() }),
]);
export type IncidentRecord = z.infer<typeof incidentRecordSchema>;
type Of<Kind extends IncidentRecord["kind"]> = Extract<IncidentRecord, { kind: Kind }>;
type Said<T> = T extends unknown ? Omit<T, "format" | "incident" | "previous"> : never;

/** A record as its author says it: when, who and what. Texts are redacted, and cut where they are too long. */
export type IncidentNote = Said<Exclude<IncidentRecord, { kind: "opened" }>>;
export type IncidentOpening = Omit<Said<Of<"opened">>, "kind" | "database">;

export interface Incident {
  readonly id: string;
  readonly database: string;
  /** What was said, oldest first, as far as it can be trusted. */
  readonly records: readonly IncidentRecord[];
  /** Undefined where the first record cannot be trusted. */
  readonly opened: Of<"opened"> | undefined;
  /** The last word on how it went. */
  readonly outcome: Of<"outcome"> | undefined;
  readonly closed: Of<"closed"> | undefined;
  /** What cannot be trusted, in sentences without a full stop. */
  readonly problems: readonly string[];
}

/** How many records stand there, trusted or not: the timeline keeps the number, so that one whose last records were taken away is found. */
export const recordsIn = ({ records, problems }: Pick<Incident, "records" | "problems">): number => records.length + problems.length;

/** @throws HoldfastError `refused` if there is such an incident already; `usage`; what the store throws */
export async function openIncident(repository: Repository, signer: Signer, id: string, opening: IncidentOpening): Promise<Incident> {
  const database = ownerOf(id);
  const record = limited({ ...opening, format: 1 as const, incident: id, kind: "opened" as const, database });
  const chain = await appendToChain(repository, incidentKey(database, id), signer, incidentRecordSchema, (before): Unchained<IncidentRecord> => {
    if (before !== undefined) throw new HoldfastError("refused", `there is an incident ${id} already`);
    return record;
  });
  return incidentOf(id, database, chain);
}

/** @throws HoldfastError `not-found` if there is no such incident; `refused` if it is to be closed twice; `usage`; what the store throws */
export async function appendIncident(repository: Repository, signer: Signer, id: string, note: IncidentNote): Promise<Incident> {
  const database = ownerOf(id);
  const record = limited({ ...note, format: 1 as const, incident: id });
  const chain = await appendToChain(repository, incidentKey(database, id), signer, incidentRecordSchema, (before): Unchained<IncidentRecord> => {
    if (before === undefined) throw notFound(repository, id);
    const { closed } = incidentOf(id, database, before);
    if (closed !== undefined && note.kind === "closed") {
      throw new HoldfastError("refused", `${id} was closed at ${closed.at} by ${nameOf(closed.by)}`, { hints: [`Add what is new with \`holdfast incident note ${id} TEXT\`.`] });
    }
    return record;
  });
  return incidentOf(id, database, chain);
}

/** @throws HoldfastError `not-found`; `usage` if that is no incident's id; what the store throws */
export async function readIncident(repository: Repository, id: string): Promise<Incident> {
  const database = ownerOf(id);
  const chain = await readChain(repository, incidentKey(database, id), incidentRecordSchema);
  if (chain === undefined) throw notFound(repository, id);
  return incidentOf(id, database, chain);
}

/** Brings a copy what was said since. @returns undefined if there is no such incident @throws HoldfastError `integrity`, `usage`; what the stores throw */
export async function copyIncident(source: Repository, copy: Repository, id: string): Promise<Continued | undefined> {
  const database = ownerOf(id);
  return continueChain(source, copy, incidentKey(database, id), { shape: incidentRecordSchema, belongs: (record, index) => isOf(record, index, id, database) });
}

/** The incidents of a database, newest first. */
export async function listIncidents(repository: Repository, database: string): Promise<Incident[]> {
  const ids: string[] = [];
  const folder = incidentsFolder(database);
  for await (const { key } of repository.store.list(folder)) {
    const id = key.slice(folder.length).replace(/\.json$/, "");
    if (databaseOfRecordId("incident", id) === database && key === incidentKey(database, id)) ids.push(id);
  }
  return Promise.all(ids.sort().reverse().map((id) => readIncident(repository, id)));
}

/** `dr.lee@clinic.example`, or `ann@db1` where no operator is configured. */
export function nameOf({ operator, user, host }: IncidentRecord["by"]): string {
  return operator ?? `${user}@${host}`;
}

function incidentOf(id: string, database: string, chain: Chain<IncidentRecord>): Incident {
  const records: IncidentRecord[] = [];
  const problems: string[] = [];
  for (const [index, record] of chain.entries()) {
    if (record !== undefined && isOf(record, index, id, database)) records.push(record);
    else problems.push(`record ${index + 1} of ${id} cannot be trusted: it was changed, moved, or signed by a stranger`);
  }
  const last = <K extends IncidentRecord["kind"]>(kind: K): Of<K> | undefined => records.findLast((record): record is Of<K> => record.kind === kind);
  return { id, database, records, opened: last("opened"), outcome: last("outcome"), closed: last("closed"), problems };
}

function isOf(record: IncidentRecord, index: number, id: string, database: string): boolean {
  return record.incident === id && (record.kind === "opened") === (index === 0) && (record.kind !== "opened" || record.database === database);
}

function ownerOf(id: string): string {
  const database = databaseOfRecordId("incident", id);
  if (database === undefined) throw new HoldfastError("usage", `${JSON.stringify(id)} is not the id of an incident, which is like incident-ehr-20261121T020000Z-7f3a`, { hints: ["`holdfast incident list` shows what there is."] });
  return database;
}

function notFound({ store }: Repository, id: string): HoldfastError {
  return new HoldfastError("not-found", `no incident ${id} in ${store.url}`, { hints: ["`holdfast incident list` shows what there is."] });
}
