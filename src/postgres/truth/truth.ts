/**
 * The truth: what a database held inside one snapshot. It goes into the manifest, so it is made of names, numbers and
 * digests, and never of a row's values. The same code reads the source and the restored copy; compare.ts decides.
 */

/** A relation that holds rows, or would. */
export interface TableTruth {
  readonly schema: string;
  readonly name: string;
  readonly kind: TableKind;
  /**
   * Exact. A partitioned parent holds none itself: 0, its partitions have their own entries. Absent where the dump
   * carries no rows: foreign tables, and unlogged tables read on a standby.
   */
  readonly rows?: number;
  /** Sum over all rows of 64 bits of each row's SHA-256, so the order of rows does not count. */
  readonly digest?: string;
}

export type TableKind = "table" | "partitioned" | "partition" | "materialized-view" | "foreign";

export interface SequenceTruth {
  readonly schema: string;
  readonly name: string;
  /** As text: it may pass 2^53. Null where it cannot be read (an unlogged sequence on a standby). */
  readonly lastValue: string | null;
  readonly isCalled: boolean;
  /** Tells in which direction it moves while the dump runs. */
  readonly increment: string;
}

export type MigrationTool = "prisma" | "knex" | "drizzle" | "typeorm" | "flyway" | "alembic" | "django" | "rails";

/** What a migration tool's own table says was applied. */
export interface LedgerTruth {
  readonly tool: MigrationTool;
  /** Schema and table, quoted where needed. */
  readonly table: string;
  /** Rows, failed ones included. */
  readonly count: number;
  /** The last migration that was applied and stands; null when there is none. */
  readonly head: string | null;
  /** Migrations that were begun and not finished, or were rolled back. */
  readonly failed: number;
  /** Of the ordered ledger: names, checksums, outcomes. */
  readonly sha256: string;
}

export interface SchemaTruth {
  /** SHA-256 over every catalog entry. */
  readonly fingerprint: string;
  readonly kinds: Readonly<Record<string, { readonly count: number; readonly sha256: string }>>;
}

/** One object of the schema; the digest is of its definition, which never leaves the server. */
export interface CatalogEntry {
  readonly kind: string;
  readonly identity: string;
  readonly sha256: string;
}

export interface ServerTruth {
  /** As a person knows it: "15.19 (Debian 15.19-0+deb12u1)". */
  readonly version: string;
  readonly versionNum: number;
  /** Those that change what data mean, or that a new server must match to hold and serve it. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface DatabaseTruth {
  readonly name: string;
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  readonly provider: "libc" | "icu" | "builtin";
  readonly icuLocale?: string;
  /** Of the library that sorts now, where the server tells (15 and later). */
  readonly collationVersion?: string;
  readonly owner: string;
  /** pg_database_size: on disk, with indexes and dead rows. */
  readonly bytes: number;
}

/** A row that was written to the source just before the snapshot. */
export interface CanaryTruth {
  readonly schema: string;
  readonly table: string;
  /** Of the row's token: who reads the manifest alone cannot make the row. */
  readonly sha256: string;
  /** The server's time. ISO 8601, UTC. */
  readonly writtenAt: string;
}

/** What the server counts of the writes to a table: aborted transactions too, and a row each time that it is written. */
export interface TableCounters {
  readonly schema: string;
  readonly name: string;
  readonly oid: number;
  /** `pg_class.relfilenode`. Another one: the table was emptied or written anew as a whole, which is not counted. */
  readonly file: number;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}

/**
 * The server's counters of writes, read before the snapshot was taken: they hold nothing that is not in the snapshot. The
 * difference to later ones is an upper bound, as long as everything but `tables` is the same.
 */
export interface WriteCounters {
  readonly system: string;
  readonly timeline: string;
  /** Oid of the database. */
  readonly database: number;
  /** When the counters of the database, and those of the server, began anew; seconds since 1970 as text. Null: never. */
  readonly databaseReset: string | null;
  readonly serverReset: string | null;
  readonly tables: readonly TableCounters[];
}

export interface Truth {
  readonly server: ServerTruth;
  readonly database: DatabaseTruth;
  readonly tables: readonly TableTruth[];
  readonly sequences: readonly SequenceTruth[];
  readonly largeObjects: { readonly count: number; readonly digest?: string };
  readonly extensions: readonly { readonly name: string; readonly version: string; readonly schema: string }[];
  /** Collations in use whose library tells a version. */
  readonly collations: readonly { readonly name: string; readonly provider: string; readonly version: string }[];
  readonly schema: SchemaTruth;
  readonly migrations: readonly LedgerTruth[];
  readonly application?: { readonly version: string };
  /** Absent where none was configured, and from manifests of earlier versions. */
  readonly canary?: CanaryTruth;
  /** Absent where they would prove nothing (a standby, PostgreSQL before 15), and from manifests of earlier versions. */
  readonly counters?: WriteCounters;
}
