/** The server, the database itself, and what both load from the machine: extensions and collations. */
import type { Session } from "../session.ts";
import { notOfExtension, userSchema } from "./catalog/query.ts";
import { byName } from "./tables.ts";
import type { DatabaseTruth, ServerTruth, Truth } from "./truth.ts";

/**
 * The first group changes what values mean or how the application sees them; the second is what another server must
 * offer to hold the data and let the application in. Values are those of a fresh session, not of ours.
 */
export const behaviourSettings = [
  "TimeZone", "DateStyle", "IntervalStyle", "search_path", "lc_monetary", "lc_numeric", "lc_time", "default_text_search_config",
  "standard_conforming_strings", "default_table_access_method", "default_toast_compression",
] as const;
const capacitySettings = [
  "server_encoding", "block_size", "data_checksums", "max_identifier_length", "max_index_keys", "integer_datetimes", "lc_messages",
  "max_connections", "max_locks_per_transaction", "password_encryption", "shared_preload_libraries", "ssl", "wal_level",
] as const;

export async function readServer(session: Session): Promise<ServerTruth> {
  const { version, versionNum } = await session.row<{ version: string; versionNum: number }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS "versionNum"`,
  );
  const names = [...behaviourSettings, ...capacitySettings].map((name) => `'${name}'`).join(", ");
  const rows = await session.rows<{ name: string; value: string }>(
    `SELECT name, reset_val AS value FROM pg_settings WHERE name IN (${names}) AND reset_val IS NOT NULL`,
  );
  const settings = Object.fromEntries(rows.map(({ name, value }) => [name, value] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return { version, versionNum, settings };
}

const providers = { c: "libc", i: "icu", b: "builtin" } as const;
type ProviderLetter = keyof typeof providers;

/** Columns that came with a later server are read through JSON: where there is no such column, its value is null. */
export async function readDatabase(session: Session, versionNum: number): Promise<DatabaseTruth> {
  const actual = versionNum >= 150_000 ? "pg_database_collation_actual_version(d.oid)" : "NULL";
  const found = await session.row<Omit<DatabaseTruth, "provider" | "icuLocale" | "collationVersion"> & { provider: ProviderLetter | null; locale: string | null; version: string | null }>(
    `SELECT d.datname AS name, pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
      to_jsonb(d) ->> 'datlocprovider' AS provider, coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
      ${actual} AS version, pg_get_userbyid(d.datdba) AS owner, pg_database_size(d.oid) AS bytes
    FROM pg_database d WHERE d.datname = current_database()`,
  );
  const { provider, locale, version, ...rest } = found;
  return {
    ...rest,
    provider: providers[provider ?? "c"],
    ...(locale !== null && { icuLocale: locale }),
    ...(version !== null && { collationVersion: version }),
  };
}

export async function readExtensions(session: Session): Promise<Truth["extensions"]> {
  const found = await session.rows<Truth["extensions"][number]>(
    "SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace",
  );
  return found.toSorted(byName);
}

/** The actual versions: what sorts now, which is what a copy's indexes will be built with. */
export async function readCollations(session: Session): Promise<Truth["collations"]> {
  const found = await session.rows<{ name: string; provider: ProviderLetter; version: string | null }>(
    `SELECT c.oid::regcollation::text AS name, c.collprovider AS provider, pg_collation_actual_version(c.oid) AS version
    FROM pg_collation c WHERE c.collprovider <> 'd' AND c.oid IN (
      SELECT a.attcollation FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE ${userSchema("n")} AND ${notOfExtension("pg_class", "r.oid")}
      UNION SELECT t.typcollation FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE ${userSchema("n")}
      UNION SELECT unnest(x.indcollation::oid[]) FROM pg_index x JOIN pg_class r ON r.oid = x.indrelid JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE ${userSchema("n")})`,
  );
  return found
    .flatMap(({ name, provider, version }) => (version === null ? [] : [{ name, provider: providers[provider], version }]))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
