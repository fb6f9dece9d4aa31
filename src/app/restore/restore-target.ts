/** Looks into a target that is there: one to be swapped with, or one to be filled with rows. */
import { identifier, literal, openSession } from "../../postgres/session.ts";
import type { RestoreWork } from "./restore-backup.ts";
import type { Check } from "./restore-preflight.ts";

/** What hinders a rename of the live database, and what would not follow its name. */
export async function checkSwap({ admin, target }: Pick<RestoreWork, "admin" | "target">, name: string): Promise<Check> {
  const prepared = await admin.rows<{ gid: string }>(`SELECT gid FROM pg_prepared_xacts WHERE database = ${literal(target)} ORDER BY 1`);
  if (prepared.length > 0) {
    return { name, outcome: "fail", detail: `prepared transactions hold ${target}: ${prepared.map(({ gid }) => gid).join(", ")}`, hint: "COMMIT PREPARED or ROLLBACK PREPARED them first; a database that they hold cannot be renamed." };
  }
  const slots = await admin.rows<{ slot: string }>(`SELECT slot_name AS slot FROM pg_replication_slots WHERE database = ${literal(target)} ORDER BY 1`);
  const subscriptions = await admin.rows(`SELECT 1 FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = ${literal(target)}`).catch(() => []);
  const stays = [
    ...(slots.length > 0 ? [`the replication slots ${slots.map(({ slot }) => slot).join(", ")}, which then hold back WAL until they are dropped`] : []),
    ...(subscriptions.length > 0 ? [`${subscriptions.length} subscriptions`] : []),
  ];
  const strangers = await admin.rows<{ role: string }>(strangersSql(target));
  const warnings = [
    ...(stays.length > 0 ? [`with the kept database stay ${stays.join(" and ")}`] : []),
    ...(strangers.length > 0 ? [`connections of ${strangers.map(({ role }) => role).join(", ")} are there now, which this role may not end, so the swap fails while they last`] : []),
  ];
  if (warnings.length > 0) return { name, outcome: "warn", detail: [`${target} will be replaced and kept for undo`, ...warnings].join("; "), ...(strangers.length > 0 && { hint: "Stop what is connected, or GRANT pg_signal_backend to the role of holdfast; only a superuser ends the connections of one." }) };
  return { name, outcome: "ok", detail: `${target} will be replaced and kept for undo` };
}

/** Roles with connections that ours cannot end, as pg_terminate_backend judges. */
const strangersSql = (target: string): string => `
  SELECT DISTINCT r.rolname AS role FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
  WHERE a.datname = ${literal(target)} AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    AND (r.rolsuper OR NOT (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))) ORDER BY 1`;

/** Rows restored beside rows that are there would be neither backup nor database; a trigger that always fires would change them. */
export async function checkEmptyTables({ server, manifest, target, context }: RestoreWork, name: string): Promise<Check> {
  const fail = (detail: string, hint: string): Check => ({ name, outcome: "fail", detail, hint });
  const session = await openSession(server.target(target), { signal: context.signal });
  try {
    for (const table of manifest.truth.tables.filter(({ kind }) => kind === "table" || kind === "partition")) {
      const relation = `${identifier(table.schema)}.${identifier(table.name)}`;
      const { there } = await session.row<{ there: boolean }>(`SELECT to_regclass(${literal(relation)}) IS NOT NULL AS there`);
      const shown = `${table.schema}.${table.name}`;
      if (!there) return fail(`database ${target} lacks the table ${shown}`, "Restore the schema first: --schema-only into a new database.");
      const { filled } = await session.row<{ filled: boolean }>(`SELECT EXISTS (SELECT 1 FROM ONLY ${relation}) AS filled`);
      if (filled) return fail(`table ${shown} of database ${target} holds rows`, "--data-only fills empty tables only: restore into a new database instead.");
      const [trigger] = await session.rows<{ tgname: string }>(`SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(${literal(relation)}) AND NOT tgisinternal AND tgenabled IN ('A', 'R')`);
      if (trigger) return fail(`trigger ${trigger.tgname} on ${shown} fires even while rows are restored`, `ALTER TABLE ${relation} DISABLE TRIGGER ${identifier(trigger.tgname)}; and enable it again afterwards.`);
    }
    const { objects } = await session.row<{ objects: number }>("SELECT count(*) AS objects FROM pg_largeobject_metadata");
    if (objects > 0 && manifest.truth.largeObjects.count > 0) return fail(`database ${target} holds large objects`, "--data-only fills an empty database only: restore into a new one instead.");
    return { name, outcome: "ok", detail: `${target} has the tables, all empty` };
  } finally {
    await session.close();
  }
}
