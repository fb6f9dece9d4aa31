/** Reads the truth of a database in the caller's transaction, so that it is that of the caller's snapshot. */
import { readLedgers } from "../ledgers.ts";
import type { Session } from "../session.ts";
import { fingerprintOf, readCatalog } from "./catalog.ts";
import { readLargeObjects } from "./large-objects.ts";
import { fixOutput } from "./output-settings.ts";
import { readSequences } from "./sequences.ts";
import { readCollations, readDatabase, readExtensions, readServer } from "./server.ts";
import { type ReadTablesOptions, readTables } from "./tables.ts";
import type { CatalogEntry, Truth } from "./truth.ts";

export interface ReadTruthOptions extends ReadTablesOptions {
  readonly application?: { readonly version: string };
  /** The catalog, if the caller has read it in this snapshot already. */
  readonly catalog?: readonly CatalogEntry[];
}

/** In a list of digests: the contents of the large objects. */
export const largeObjectsChoice = "pg_largeobject";

/**
 * Reads what the database holds. Run it inside `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY` with the dump's snapshot.
 * Leaves the session's search path empty and its output settings fixed.
 * @throws SqlError when the role may not read a table (pg_dump would fail on it too)
 * @throws HoldfastError `dump-failed` when an object was dropped since the snapshot
 */
export async function readTruth(session: Session, options: ReadTruthOptions): Promise<Truth> {
  await fixOutput(session);
  const server = await readServer(session);
  const database = await readDatabase(session, server.versionNum);
  const schema = fingerprintOf(options.catalog ?? (await readCatalog(session)));
  const withLargeObjects = options.digests === "all" || options.digests.includes(largeObjectsChoice);
  return {
    server,
    database,
    tables: await readTables(session, database.encoding, options),
    sequences: await readSequences(session),
    largeObjects: await readLargeObjects(session, withLargeObjects),
    extensions: await readExtensions(session),
    collations: await readCollations(session),
    schema,
    migrations: await readLedgers(session),
    ...(options.application && { application: options.application }),
  };
}
