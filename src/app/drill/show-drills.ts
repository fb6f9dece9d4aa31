/** Looking at drills: nothing here changes anything, and what is not signed by a trusted key is shown as untrusted. */
import { partsOfDrillId } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { ledgerOf, type Interval, type Ledger, type LedgerDrill } from "../../drill/evidence/ledger.ts";
import { type DrillRecord, listDrills, readDrill } from "../../drill/evidence/records.ts";
import { HoldfastError } from "../../errors.ts";
import { type Context, databaseNamed, openWorkplace, type Workplace } from "../context.ts";

const exampleId = "drill-ehr-20261121T020000Z-7f3a";

/** A drill that is meant: an id, or the one that was begun last. */
export type DrillName = { readonly id: string } | { readonly latest: true };

/** The drills of a database, newest first, also those that cannot be trusted or ended without a verdict. */
export async function listDatabaseDrills(context: Context, database?: string): Promise<DrillRecord[]> {
  const { name } = databaseNamed(context.config, database);
  return atWork(context, ({ repository }) => listDrills(repository, name, observerOf(context)));
}

/**
 * One drill as its folder tells.
 * @throws HoldfastError `usage` if what was named is no id, `not-found` if there is none, `integrity` if its evidence cannot be trusted
 */
export async function showDrill(context: Context, drill: DrillName, database?: string): Promise<DrillRecord> {
  return atWork(context, async ({ repository }) => {
    const record = await findDrill(context, repository, drill, database);
    if (record.problem !== undefined) throw record.problem;
    return record;
  });
}

/** @throws HoldfastError `usage` or `not-found` */
export async function findDrill(context: Context, repository: Repository, drill: DrillName, database?: string): Promise<DrillRecord> {
  const hints = ["`holdfast drill list` shows what there is."];
  if ("id" in drill) {
    const parts = partsOfDrillId(drill.id);
    if (parts === undefined) throw new HoldfastError("usage", `${JSON.stringify(drill.id)} is not the id of a drill, which is like ${exampleId}`, { hints });
    const record = await readDrill(repository, { database: parts.database, id: drill.id }, observerOf(context));
    if (record) return record;
    throw new HoldfastError("not-found", `no drill ${drill.id} in ${repository.store.url}`, { hints });
  }
  const { name } = databaseNamed(context.config, database);
  const [latest] = await listDrills(repository, name, observerOf(context));
  if (latest) return latest;
  throw new HoldfastError("not-found", `no drill of ${name} in ${repository.store.url}`, { hints: [`Run one with \`holdfast drill restore --database ${name}\`.`] });
}

export interface LedgerRequest {
  readonly database?: string | undefined;
  /** From when on drills are owed; by default since the first backup that the timeline knows of. */
  readonly since?: Date | undefined;
  /** By default the configured number of days. */
  readonly interval?: Interval | undefined;
}

export interface DatabaseLedger extends Ledger {
  readonly database: string;
  readonly interval: Interval;
  readonly since: Date;
}

/** What drills were owed, and which were done. */
export async function showLedger(context: Context, request: LedgerRequest): Promise<DatabaseLedger> {
  const { name, drill } = databaseNamed(context.config, request.database);
  const interval = request.interval ?? { days: drill.everyDays };
  return atWork(context, async (workplace) => {
    const now = context.clock.now();
    const drills = (await listDrills(workplace.repository, name, observerOf(context))).flatMap((record) => inLedger(record));
    const since = request.since ?? (await firstBackup(workplace, name)) ?? earliest(drills) ?? now;
    return { database: name, interval, since, ...ledgerOf(drills, { interval, start: since, now }) };
  });
}

/** A folder that is not even named like a drill has no month. */
function inLedger(record: DrillRecord): LedgerDrill[] {
  const startedAt = record.evidence ? new Date(record.evidence.startedAt) : partsOfDrillId(record.id)?.at;
  if (startedAt === undefined) return [];
  const verdict = record.evidence ? record.evidence.verdict : record.begun ? "none" : "untrusted";
  return [{ id: record.id, startedAt, verdict, certifiedBy: (record.certifications ?? []).flatMap(({ certification }) => certification?.by ?? []) }];
}

/** Since when there is something to be drilled. The backups themselves do not tell: old ones are removed. */
async function firstBackup({ timeline }: Workplace, database: string): Promise<Date | undefined> {
  for await (const { action, outcome, subject, at } of timeline.read()) {
    if (action === "backup" && outcome === "ok" && subject["database"] === database) return new Date(at);
  }
  return undefined;
}

function earliest(drills: readonly LedgerDrill[]): Date | undefined {
  return drills.map(({ startedAt }) => startedAt).sort((a, b) => a.getTime() - b.getTime())[0];
}

const observerOf = ({ clock, actor }: Context): { now: Date; host: string } => ({ now: clock.now(), host: actor.host });

async function atWork<T>(context: Context, work: (workplace: Workplace) => Promise<T>): Promise<T> {
  const workplace = await openWorkplace(context);
  try {
    return await work(workplace);
  } finally {
    await workplace.close();
  }
}

export type { DrillRecord };
