/** The story of a copy: what another place lacks of the repository's backups and records is brought there as it is, without opening it, and proved on the way. */
import { keepTimeline } from "../../audit/escrow.ts";
import { copyBackup, isCopied, type Sizes, sizesBelow } from "../../catalog/copy.ts";
import { openCopyPlace, originOf } from "../../catalog/copy-place.ts";
import { backupsFolder, escrowFolder, timelineFolder } from "../../catalog/layout.ts";
import { listBackups } from "../../catalog/listing.ts";
import { type Manifest, storedBytes } from "../../catalog/manifest.ts";
import { databasesIn, type Repository } from "../../catalog/repository.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import type { Lock } from "../../lock/lease.ts";
import { runStep } from "../../ports.ts";
import { cancellationSaying, patienceAfter } from "../cancellation.ts";
import type { Context, Workplace } from "../context.ts";
import { lockDatabase } from "../lock-database.ts";
import { openStoreOf } from "../open-configured-store.ts";
import { inWorkplace } from "../record.ts";
import { type LackingRecords, RecordCopy, type RecordCounts } from "./copy-records.ts";
import { together } from "../together.ts";
import { repositoryNamed } from "../which-repository.ts";

/** Which backups: all, those since an instant, the newest of each database, or those newer than the newest that is there. */
export type CopyChoice = "all" | "latest" | "newer" | { readonly since: Date };

export interface CopyRepositoryOptions {
  /** A configured copy's name, or a location. */
  readonly to: string;
  /** By default every database that the repository holds. */
  readonly database?: string | undefined;
  readonly choice: CopyChoice;
  /** Read every copied part back whole, also those that were there before, and every record. */
  readonly verify: boolean;
  /** Backups under way at once. */
  readonly concurrency?: number | undefined;
  readonly lockWaitMs?: number | undefined;
  readonly reason?: string | undefined;
}

export interface CopyResult {
  readonly to: string;
  readonly url: string;
  readonly copied: readonly { readonly id: string; readonly database: string; readonly bytes: number }[];
  /** Backups that were there whole already. */
  readonly unchanged: number;
  /** Bytes of parts that were sent. */
  readonly bytes: number;
  /** Of each kind of records: holds, checkpoints, drills… */
  readonly records: RecordCounts;
  /** Entries of the timeline that were brought. */
  readonly timelineEntries: number;
  readonly seconds: number;
}

/** What the destination lacks of a database. */
interface Lacking {
  readonly errands: readonly Errand[];
  readonly records: LackingRecords;
}

/** A backup that the destination lacks something of. */
interface Errand {
  readonly manifest: Manifest;
  readonly step: string;
}

/**
 * Copies backups to another place, and with them what is known about them: holds, checkpoints, evidence, incidents, the timeline.
 * @throws HoldfastError `integrity` naming each backup and record that the source does not hold as it was signed, or the destination otherwise (the others are copied); `refused` for a
 * destination that is the repository itself or another one; `lock-held`; what the stores throw
 */
export async function copyRepository(context: Context, options: CopyRepositoryOptions): Promise<CopyResult> {
  const started = context.clock.now();
  const { name, settings } = repositoryNamed(context.config, options.to);
  const action = { action: "repository copy", subject: { ...(options.database !== undefined && { database: options.database }), target: name }, reason: options.reason };
  try {
    return await inWorkplace(context, action, async (workplace, subject) => {
      const store = await openStoreOf(settings);
      try {
        const destination = await openCopyPlace(workplace.repository, store, started);
        subject.target = destination.store.url;
        const run = new CopyRun(context, workplace, destination, options);
        const copied = await run.databases();
        const timelineEntries = await run.timeline();
        run.requireWhole();
        const seconds = (context.clock.now().getTime() - started.getTime()) / 1000;
        return { to: name, url: store.url, ...copied, timelineEntries, seconds };
      } finally {
        await store.close();
      }
    });
  } catch (error) {
    throw cancellationSaying(error, "what was copied so far stays, and the next copy goes on from there");
  }
}

class CopyRun {
  readonly #context: Context;
  readonly #source: Repository;
  readonly #destination: Repository;
  readonly #options: CopyRepositoryOptions;
  readonly #problems: HoldfastError[] = [];
  readonly #records: RecordCopy;
  #unchanged = 0;

  constructor(context: Context, { repository }: Workplace, destination: Repository, options: CopyRepositoryOptions) {
    this.#context = context;
    this.#source = repository;
    this.#destination = destination;
    this.#options = options;
    const { to, verify } = options;
    this.#records = new RecordCopy(repository, destination, {
      to, verify,
      now: context.clock.now(),
      signal: context.signal,
      note: (level, message) => { context.reporter.emit({ type: "note", level, message }); },
      collecting: (work) => this.#collecting(work, undefined),
    });
  }

  async databases(): Promise<Pick<CopyResult, "copied" | "unchanged" | "bytes" | "records">> {
    const lacking = new Map<string, Lacking>();
    for (const database of await this.#databases()) lacking.set(database, { errands: await this.#errandsOf(database), records: await this.#records.lacking(database) });
    this.#context.reporter.emit({ type: "plan", steps: [...lacking].flatMap(([database, { errands, records }]) => [
      ...errands.map(({ manifest, step }) => ({ id: step, title: `copy ${manifest.id} to ${this.#options.to}` })),
      ...(records.count > 0 ? [{ id: this.#recordsStep(database), title: `copy records of ${database} to ${this.#options.to}` }] : []),
    ]) });
    const copied: { id: string; database: string; bytes: number }[] = [];
    for (const [database, wanted] of lacking) if (wanted.errands.length + wanted.records.count > 0) copied.push(...(await this.#copyLocked(database, wanted)));
    return { copied, unchanged: this.#unchanged, bytes: copied.reduce((sum, { bytes }) => sum + bytes, 0), records: this.#records.counts };
  }

  #recordsStep(database: string): string {
    return `copy ${this.#options.to} records of ${database}`;
  }

  /** A copy has a history of its own; that of its origin is kept beside it, and goes on with a copy of the copy. */
  async timeline(): Promise<number> {
    const { signal } = this.#context;
    throwIfCancelled(signal);
    if (this.#destination.id === originOf(this.#source)) return 0;
    const from = this.#source.copyOf === undefined ? timelineFolder : escrowFolder;
    return this.#collecting(() => keepTimeline(this.#source.store, this.#destination.store, { from, to: escrowFolder, verify: this.#options.verify, signal }), 0);
  }

  /** @throws HoldfastError `integrity` if anything that was to be copied is not what it should be */
  requireWhole(): void {
    const [first] = this.#problems;
    if (first === undefined) return;
    if (this.#problems.length === 1) throw first;
    throw new HoldfastError("integrity", `${this.#problems.length} things could not be copied: ${this.#problems.map(({ message }) => message).join("; ")}`, {
      hints: [...new Set(this.#problems.flatMap(({ hints }) => hints))],
      details: { problems: this.#problems.map(({ message, details }) => ({ message, ...details })) },
    });
  }

  async #databases(): Promise<string[]> {
    const { database } = this.#options;
    const there = await databasesIn(this.#source.store);
    if (database === undefined) return there;
    if (there.includes(database)) return [database];
    throw new HoldfastError("not-found", `no backup of ${database} in ${this.#source.store.url}`, { hints: [`Make one with \`holdfast backup --database ${database}\`.`] });
  }

  async #errandsOf(database: string): Promise<Errand[]> {
    const { reporter } = this.#context;
    const entries = await listBackups(this.#source, database);
    for (const { id, problem } of entries) if (problem) reporter.emit({ type: "note", level: "warn", message: `${id} is not copied, since it does not count: ${problem.message}` });
    const good = entries.flatMap(({ manifest }) => manifest ?? []);
    const there = await sizesBelow(this.#destination.store, backupsFolder(database));
    const chosen = await this.#chosen(database, good);
    const wanted: Errand[] = [];
    for (const manifest of chosen) {
      throwIfCancelled(this.#context.signal);
      if (await this.#isThere(manifest, there)) this.#unchanged += 1;
      else wanted.push({ manifest, step: `copy ${this.#options.to} ${manifest.id}` });
    }
    // The oldest first: whatever ends the run, what is there has no gap before it.
    return wanted.reverse();
  }

  async #chosen(database: string, newestFirst: readonly Manifest[]): Promise<readonly Manifest[]> {
    const { choice } = this.#options;
    if (choice === "all") return newestFirst;
    if (choice === "latest") return newestFirst.slice(0, 1);
    if (choice !== "newer") return newestFirst.filter(({ snapshotAt }) => new Date(snapshotAt) >= choice.since);
    const newest = (await listBackups(this.#destination, database)).find(({ manifest }) => manifest !== undefined)?.manifest;
    return newest === undefined ? newestFirst : newestFirst.filter(({ snapshotAt }) => snapshotAt >= newest.snapshotAt);
  }

  /** What cannot be read now is tried once more by its errand, which tells what is wrong. */
  async #isThere(manifest: Manifest, there: Sizes): Promise<boolean> {
    if (this.#options.verify) return false;
    return isCopied(this.#source, this.#destination.store, manifest, there).catch((error: unknown) => {
      if (error instanceof HoldfastError && error.code === "integrity") return false;
      throw error;
    });
  }

  async #copyLocked(database: string, { errands, records }: Lacking): Promise<{ id: string; database: string; bytes: number }[]> {
    const { signal, reporter } = this.#context;
    const patience = patienceAfter(signal);
    const { store } = this.#destination;
    const lock = await lockDatabase(this.#context, this.#destination, database, "backup", { action: "repository copy", waitMs: this.#options.lockWaitMs });
    if (lock.tookOver !== null) reporter.emit({ type: "note", level: "warn", message: lock.tookOver });
    try {
      await store.abortUploads(backupsFolder(database));
      const copied: { id: string; database: string; bytes: number }[] = [];
      const queue = errands.values();
      const worker = async (until: AbortSignal): Promise<void> => {
        for (const errand of queue) {
          throwIfCancelled(until);
          const sent = await this.#collecting(() => this.#copyOne(errand, records, lock, until), undefined);
          if (sent?.changed === true) copied.push({ id: errand.manifest.id, database, bytes: sent.sent });
          else if (sent !== undefined) this.#unchanged += 1;
        }
      };
      await together(AbortSignal.any([signal, lock.lost]), Array.from({ length: this.#concurrency() }, () => worker));
      // After the backups, which they name.
      if (records.count > 0) await runStep(reporter, this.#recordsStep(database), () => this.#records.bring(records));
      return copied.sort((a, b) => a.id.localeCompare(b.id));
    } finally {
      await patience(lock.release());
    }
  }

  /** One by one where the newest that is there tells the next run where to begin: a newer one must not come before an older one. */
  #concurrency(): number {
    return this.#options.choice === "newer" ? 1 : (this.#options.concurrency ?? 2);
  }

  #copyOne({ manifest, step }: Errand, records: LackingRecords, lock: Lock, signal: AbortSignal): ReturnType<typeof copyBackup> {
    const { reporter } = this.#context;
    const total = storedBytes(manifest);
    return runStep(
      reporter,
      step,
      () => {
        const onBytes = (bytes: number): void => { reporter.emit({ type: "progress", step, bytes, total }); };
        const beforePublishing = async (): Promise<void> => {
          await this.#records.bringHold(records, manifest.id);
          await lock.assertHeld();
        };
        return copyBackup(this.#source, this.#destination.store, manifest, { signal, verify: this.#options.verify, beforePublishing, onBytes });
      },
      (outcome) => (outcome === undefined ? "removed from the source meanwhile" : `${outcome.sent} bytes of ${total} bytes sent`),
    );
  }

  /** One backup that is damaged at the source does not keep the others from being copied; it is told at the end. */
  async #collecting<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== "integrity") throw error;
      this.#problems.push(error);
      return otherwise;
    }
  }
}
