/** The story of a backup: one snapshot, its parts, the truth about it, and at the very end the manifest that makes it count. */
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

import { type Manifest, type Part, storedBytes } from "../../catalog/manifest.ts";
import { writeKeySidecar } from "../../catalog/key-sidecar.ts";
import { freeBackupId, publishManifest } from "../../catalog/publishing.ts";
import { removeBackup, removeUnfinished } from "../../catalog/removal.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { HoldfastError, messageOf, throwIfCancelled } from "../../errors.ts";
import { generateIdentity, parseRecipients } from "../../pipeline/age-keys.ts";
import { sealBytes } from "../../pipeline/encrypt.ts";
import { toolOutput } from "../../pipeline/tool.ts";
import { runStep, type Step } from "../../ports.ts";
import { type DumpFilter, dumpFailure, endBackends, isPartial, startDump, startGlobalsDump } from "../../postgres/dump.ts";
import { tableFilter } from "../../postgres/patterns.ts";
import { databaseProperties, rolesInUse } from "../../postgres/properties.ts";
import type { Server } from "../../postgres/server.ts";
import { openSession, type Session } from "../../postgres/session.ts";
import { exportSnapshot, type Snapshot } from "../../postgres/snapshot.ts";
import { readCatalog } from "../../postgres/truth/catalog.ts";
import { readTruth } from "../../postgres/truth/read.ts";
import { readSequences } from "../../postgres/truth/sequences.ts";
import { readWriteCounters } from "../../postgres/truth/write-counters.ts";
import type { CatalogEntry, Truth } from "../../postgres/truth/truth.ts";
import { isLockingStore } from "../../store/object-lock.ts";
import { cancellationSaying, patienceAfter } from "../cancellation.ts";
import { type Context, databaseNamed, reachDatabase, requireSigner, type Workplace } from "../context.ts";
import { filterOf } from "./dump-filter.ts";
import { lockDatabase } from "../lock-database.ts";
import { plantConfiguredCanary } from "./plant-canary.ts";
import { inWorkplace } from "../record.ts";
import { refreshBackupIndex } from "./refresh-index.ts";
import { together } from "../together.ts";
import { type Packing, writePart } from "./write-part.ts";

export interface BackupOptions {
  readonly database?: string | undefined;
  readonly label?: string | undefined;
  readonly reason?: string | undefined;
  /** Milliseconds to wait for a lock that another run holds. */
  readonly lockWaitMs?: number | undefined;
}

export interface BackupResult {
  readonly manifest: Manifest;
  readonly bytes: number;
  readonly seconds: number;
}

const steps: readonly Step[] = [
  { id: "inspect", title: "inspect database and repository" },
  { id: "snapshot", title: "export snapshot" },
  { id: "globals", title: "dump roles and settings" },
  { id: "schema", title: "dump schema" },
  { id: "data", title: "dump data" },
  { id: "truth", title: "read the truth" },
  { id: "publish", title: "sign and publish" },
];

/**
 * Backs up one database.
 * @throws HoldfastError; whatever happens before the manifest is published leaves nothing in the repository
 */
export async function createBackup(context: Context, options: BackupOptions): Promise<BackupResult> {
  const { clock, reporter } = context;
  const started = clock.now();
  const patience = patienceAfter(context.signal);
  const database = databaseNamed(context.config, options.database);
  const action = { action: "backup", subject: { database: database.name }, reason: options.reason };
  try {
    return await inWorkplace(context, action, async (workplace, subject) => {
      const recipients = parseRecipients(context.config.recipients);
      const signer = await requireSigner(context.config, "backup", clock.now());
      reporter.emit({ type: "plan", steps });
      const server = await runStep(reporter, "inspect", () => inspect(context, workplace, database), describeServer);
      const lock = await lockDatabase(context, workplace.repository, database.name, "backup", { action: "backup", waitMs: options.lockWaitMs, server });
      if (lock.tookOver !== null) reporter.emit({ type: "note", level: "warn", message: lock.tookOver });
      try {
        const id = await freeBackupId(workplace.repository.store, database.name, started, context.ids);
        subject.backup = id;
        await sweep(context, workplace, database.name);
        const oneOff = await generateIdentity();
        const packing: Packing = { store: workplace.repository.store, database: database.name, id, recipient: oneOff.recipient, level: database.compressionLevel };
        const signal = AbortSignal.any([context.signal, lock.lost]);
        try {
          const content = await dumpEverything({ ...context, signal }, server, database, packing);
          const manifest: Manifest = {
            format: 1,
            id,
            database: database.name,
            label: options.label ?? null,
            reason: options.reason ?? null,
            startedAt: started.toISOString(),
            snapshotAt: content.snapshot.at,
            finishedAt: clock.now().toISOString(),
            createdBy: { holdfast: context.version, host: context.actor.host, user: context.actor.user },
            source: { database: server.facts.database, server: server.facts.version, client: server.client.version },
            compression: { algorithm: "zstd", level: database.compressionLevel },
            encryption: { format: "age", recipient: oneOff.recipient, keyRecipients: recipients },
            partial: isPartial(filterOf(database)),
            roles: content.roles,
            parts: content.parts,
            truth: content.truth,
            sequencesAfter: content.sequencesAfter,
            signer: signer.id,
          };
          await runStep(reporter, "publish", async () => {
            // A key that was retired while the dump ran would sign what nobody trusts.
            await requireSigner(context.config, "backup", new Date(manifest.finishedAt));
            const sidecar = await sealBytes(Buffer.from(`${oneOff.identity}\n`), recipients);
            await writeKeySidecar(packing.store, manifest, oneOff.recipient, sidecar, signer);
            await lock.assertHeld();
            throwIfCancelled(signal);
            await publishManifest(packing.store, manifest, signer);
          }, () => id);
          await refreshBackupIndex(context, workplace, database.name, signer);
          return { manifest, bytes: storedBytes(manifest), seconds: (clock.now().getTime() - started.getTime()) / 1000 };
        } catch (error) {
          await patience(cleanUp(context, packing));
          throw error;
        }
      } finally {
        await patience(lock.release());
      }
    });
  } catch (error) {
    throw cancellationSaying(error, "nothing was published");
  }
}

async function inspect(context: Context, workplace: Workplace, database: DatabaseConfig): Promise<Server> {
  const server = await reachDatabase(context, database);
  const free = await workplace.repository.store.freeBytes();
  // A dump is smaller than its database, but nothing tells by how much: only what is hopeless is refused.
  if (free !== undefined && free < server.facts.databaseBytes / 20) {
    throw new HoldfastError("store-failed", `the repository has ${free} bytes free, but the database holds ${server.facts.databaseBytes} bytes`, {
      hints: ["Free space at the repository, or choose another with HOLDFAST_REPOSITORY."],
    });
  }
  return server;
}

function describeServer(server: Server): string {
  return `PostgreSQL ${server.facts.version}, pg_dump ${server.client.version}`;
}

interface Content {
  readonly snapshot: Snapshot;
  readonly parts: Part[];
  readonly truth: Truth;
  readonly sequencesAfter: Truth["sequences"];
  readonly roles: string[];
}

/** Dumps all parts and reads the truth under one exported snapshot, which lives until the last of them is done. */
async function dumpEverything(context: Context, server: Server, database: DatabaseConfig, packing: Packing): Promise<Content> {
  const { reporter, signal } = context;
  const applicationName = `holdfast ${packing.id}`;
  const session = await openSession(server.target(), { signal, applicationName });
  try {
    const canary = await plantConfiguredCanary(server, database, signal);
    const sequencesBefore = await readSequences(session);
    // Before the snapshot: what they hold is in it, so that the difference to later ones is never too small.
    const counters = await readWriteCounters(session);
    const snapshot = await runStep(reporter, "snapshot", () => exportSnapshot(session), (taken) => taken.at);
    const filter = filterOf(database);
    const dump = { snapshot: snapshot.id, filter, applicationName };

    const tool = async (name: string, content: "pgdump" | "sql", start: (signal: AbortSignal) => ReturnType<typeof startDump>, estimate?: number, from = signal, ending?: string): Promise<Part> =>
      runStep(
        reporter,
        name,
        () => {
          const onBytes = (bytes: number): void => { reporter.emit({ type: "progress", step: name, bytes, ...(estimate !== undefined && { total: estimate }) }); };
          return writePart(packing, { name, content, bytes: toolOutput(start(from)), onBytes, ...(estimate !== undefined && { estimate }), ...(ending !== undefined && { ending }) }, from).catch((error: unknown) => {
            throw dumpFailure(name, error);
          });
        },
        (part) => `${part.plainBytes} bytes, ${part.bytes} bytes stored`,
      );

    const roles = await rolesInUse(session);
    const properties = await databaseProperties(session);
    const catalog = await readCatalog(session);
    const estimate = await dumpEstimate(session);

    const globals = await tool("globals", "sql", (from) => startGlobalsDump(server, { rolePasswords: database.rolePasswords, applicationName, signal: from }), undefined, signal, "database cluster dump complete");
    const small = await Promise.all([
      writePart(packing, { name: "database", content: "sql", bytes: textBytes(properties) }, signal),
      writePart(packing, { name: "catalog", content: "json", bytes: textBytes(`${JSON.stringify(catalog)}\n`) }, signal),
    ]);
    const schema = await tool("schema", "pgdump", (from) => startDump(server, { ...dump, schemaOnly: true, signal: from }));
    const [data, truth] = await together<[Part, Truth]>(signal, [
      (from) => tool("data", "pgdump", (until) => startDump(server, { ...dump, signal: until }), estimate, from),
      (from) => runStep(reporter, "truth", () => readTheTruth(session, database, filter, catalog, from), describeTruth),
    ]);
    return {
      snapshot,
      parts: [globals, ...small, schema, data],
      truth: { ...truth, sequences: sequencesBefore, ...(database.appVersion !== undefined && { application: { version: database.appVersion } }), ...(canary && { canary }), ...("tables" in counters && { counters }) },
      sequencesAfter: await readSequences(session),
      roles,
    };
  } catch (error) {
    // Inside a container our signals do not arrive, and a backend whose client died works on until its next write.
    session.kill();
    await endBackends(server, applicationName);
    throw dumpFailure("snapshot", error);
  } finally {
    await session.close();
  }
}

/** Row counts (and digests) in the dump's snapshot. When the dump fails meanwhile, a long count is not waited for. */
async function readTheTruth(session: Session, database: DatabaseConfig, filter: DumpFilter, catalog: readonly CatalogEntry[], signal: AbortSignal): Promise<Truth> {
  const end = (): void => { session.kill(); };
  signal.addEventListener("abort", end, { once: true });
  try {
    return await readTruth(session, { digests: database.digests, catalog, ...(isPartial(filter) && { include: tableFilter(filter) }) });
  } catch (error) {
    throw dumpFailure("truth", error);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

function describeTruth(truth: Truth): string {
  const rows = truth.tables.reduce((sum, table) => sum + (table.rows ?? 0), 0);
  return `${truth.tables.length} tables, ${rows} rows`;
}

/** What the dump will come to: the tables without their indexes. */
async function dumpEstimate(session: Session): Promise<number> {
  const { bytes } = await session.row<{ bytes: number }>(`
    SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint AS bytes FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`);
  return bytes;
}

function textBytes(text: string): AsyncIterable<Buffer> {
  return Readable.from([Buffer.from(text)]);
}

/** Removes what earlier runs had to leave because they were killed, or the store did not answer. What cannot be removed now is left to the next. */
async function sweep({ reporter }: Context, { repository }: Workplace, database: string): Promise<void> {
  try {
    for (const id of await removeUnfinished(repository.store, database)) reporter.emit({ type: "note", level: "info", message: `removed what ${id}, which was never published, had left` });
  } catch (error) {
    reporter.emit({ type: "note", level: "warn", message: `could not remove what earlier runs left: ${messageOf(error)}` });
  }
}

/** Removes what a failed run stored. It must not hang a run that was cancelled because the store hangs. */
async function cleanUp(context: Context, packing: Packing): Promise<void> {
  const limit = 20_000;
  const outcome = await Promise.race([
    removeBackup(packing.store, packing.database, packing.id).then(() => undefined, messageOf),
    sleep(limit, `no answer in ${limit / 1000} s`, { ref: false }),
  ]);
  if (outcome !== undefined) {
    context.reporter.emit({ type: "note", level: "warn", message: `could not remove what the failed run stored under ${packing.database}/backups/${packing.id}: ${outcome}` });
  } else if (isLockingStore(packing.store) && packing.store.objectLock) {
    const { days } = packing.store.objectLock;
    context.reporter.emit({ type: "note", level: "warn", message: `what the failed run stored under ${packing.database}/backups/${packing.id} is hidden by delete markers, but its versions stay for the ${days} ${days === 1 ? "day" : "days"} of their retention` });
  }
}
