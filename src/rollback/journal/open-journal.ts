/**
 * Writing a journal: this host's disk first, then the repository, one signed object an entry, which only the first
 * writer puts there. Where the repository cannot be reached the run goes on without it, and what is missing there is brought
 * with the next entry, or at the end. An entry of somebody else's in our place means two runs at once, and stops this one.
 */
import type { Actor } from "../../audit/actor.ts";
import type { Repository } from "../../catalog/repository.ts";
import { sealRecord } from "../../catalog/signed-record.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import { systemTimers, type Timers } from "../../lock/timers.ts";
import type { Clock, Reporter } from "../../ports.ts";
import { counted } from "../../text/format.ts";
import { type Link, lineOf, previousOf } from "./chain.ts";
import { JournalFile, journalPath } from "./journal-file.ts";
import { type Journal, type JournalEntry, journalEntrySchema, type JournalNote } from "./journal.ts";
import { entryKey, proveJournal } from "./read-journal.ts";

export interface JournalOptions {
  readonly stateDir: string;
  readonly repository: Repository;
  readonly database: string;
  /** `rollback-ehr-20261121T020000Z-7f3a`. */
  readonly id: string;
  readonly clock: Clock;
  readonly actor: Pick<Actor, "user" | "host" | "operator">;
  readonly signer: Signer;
  readonly reporter: Reporter;
  /** There must be one already. */
  readonly resume?: boolean;
  /** How long the repository is waited for with each entry while it answers. */
  readonly putTimeoutMs?: number;
  readonly timers?: Timers;
}

export interface DurableJournal extends Journal {
  /** The file on this host. */
  readonly path: string;
  /**
   * Brings the repository what it misses; to be called when the run ends, however it does. What is still missing is warned of.
   * @returns how many entries that is
   * @throws HoldfastError `lock-held` if another run has written there
   */
  sync(): Promise<number>;
}

/** Once it has failed, the repository holds up no entry longer than that. */
const behindTimeoutMs = 2_000;
const mostEntries = 9_999;

/**
 * Opens the journal of a rollback, new or begun, on whichever host.
 * @throws HoldfastError `integrity` if what is there cannot be trusted; `not-found` if it must be there and is not; `usage`;
 * `store-failed` if the repository is needed and cannot be read
 */
export async function openJournal(options: JournalOptions): Promise<DurableJournal> {
  const { reporter, id, repository } = options;
  const found = await proveJournal(options);
  if (options.resume === true && found.links.length === 0) {
    throw found.unreachable ?? new HoldfastError("not-found", `there is no journal of ${id}, neither on this host nor in ${repository.store.url}`, { hints: ["`holdfast rollback list` shows which rollbacks there are."] });
  }
  const path = journalPath(options.stateDir, id);
  const file = new JournalFile(path, found.file);
  if (found.file.torn > 0) reporter.emit({ type: "note", level: "warn", message: `the last line of ${path} was torn when its run was killed, and is cut off: what it was about had not begun` });
  for (const { bytes } of found.links.slice(found.onDisk)) await file.append(lineOf(bytes));
  return new RepositoryJournal(options, file, found.links, found.inRepository ?? 0, found.unreachable);
}

class RepositoryJournal implements DurableJournal {
  readonly id: string;
  readonly path: string;
  readonly #options: JournalOptions;
  readonly #file: JournalFile;
  readonly #links: Link[];
  /** How many entries the repository has, as far as is known. */
  #stored: number;
  #appending: Promise<unknown> = Promise.resolve();
  /** Bringing entries to the repository, in one row. */
  #flight: Promise<void> | undefined;
  /** Why the repository has not got everything. */
  #trouble: unknown;
  #behind = false;
  #warned = false;
  #fork: HoldfastError | undefined;

  constructor(options: JournalOptions, file: JournalFile, links: readonly Link[], stored: number, trouble: unknown) {
    this.id = options.id;
    this.path = file.path;
    this.#options = options;
    this.#file = file;
    this.#links = [...links];
    this.#stored = stored;
    if (trouble !== undefined) this.#fallBehind(trouble);
  }

  get entries(): readonly JournalEntry[] {
    return this.#links.map(({ entry }) => entry);
  }

  append(note: JournalNote): Promise<void> {
    const appended = this.#appending.then(() => this.#append(note));
    this.#appending = appended.catch(() => undefined);
    return appended;
  }

  async sync(): Promise<number> {
    await this.#appending;
    await this.#bring(this.#options.putTimeoutMs ?? 10_000);
    const missing = this.#links.length - this.#stored;
    if (missing > 0) {
      const { reporter, repository } = this.#options;
      reporter.emit({ type: "note", level: "warn", message: `the last ${counted(missing, "entry", "entries")} of the journal could not be brought to ${repository.store.url} (${messageOf(this.#trouble ?? "it did not answer in time")}): keep ${this.path}, and resume on this host only` });
    }
    return missing;
  }

  async #append(note: JournalNote): Promise<void> {
    const { clock, actor: { user, host, operator }, signer } = this.#options;
    const last = this.#links.at(-1)?.entry;
    if (last?.kind === "ended") throw new HoldfastError("refused", `${this.id} ended at ${last.at} (${last.outcome}): nothing is added to its journal`);
    if (this.#links.length >= mostEntries) throw new HoldfastError("refused", `the journal of ${this.id} has ${mostEntries} entries, and takes no more`);
    if (this.#fork !== undefined) throw this.#fork;
    const entry = journalEntrySchema.parse({
      ...note, run: this.id, sequence: this.#links.length + 1, previous: previousOf(this.#links), at: clock.now().toISOString(), by: { user, host, operator, pid: process.pid },
    });
    const bytes = sealRecord(entry, signer);
    await this.#file.append(lineOf(bytes));
    this.#links.push({ entry, text: JSON.stringify(entry), bytes });
    // A put that hangs costs its time limit once, and not with every entry.
    const { putTimeoutMs = 10_000 } = this.#options;
    await this.#bring(!this.#behind ? putTimeoutMs : this.#flight === undefined ? Math.min(behindTimeoutMs, putTimeoutMs) : 0);
  }

  /** @throws HoldfastError `lock-held` if another run has written there */
  async #bring(limitMs: number): Promise<void> {
    const over = new AbortController();
    const brought = this.#bringAll().then(() => false);
    const late = limitMs === 0 ? true : (this.#options.timers ?? systemTimers).sleep(limitMs, over.signal).then(() => true, () => false);
    const isLate = await Promise.race([brought, late]);
    over.abort();
    if (this.#fork !== undefined) throw this.#fork;
    if (this.#links.length > this.#stored) this.#fallBehind(this.#trouble ?? new Error(isLate ? "it did not answer in time" : "it is behind"));
    else this.#behind = false;
  }

  async #bringAll(): Promise<void> {
    do await (this.#flight ??= this.#flush().finally(() => { this.#flight = undefined; }));
    while (this.#trouble === undefined && this.#links.length > this.#stored);
  }

  /** Settles in any case. */
  async #flush(): Promise<void> {
    try {
      for (let link = this.#links[this.#stored]; link !== undefined; link = this.#links[this.#stored]) {
        await this.#put(link);
        this.#stored += 1;
      }
      this.#trouble = undefined;
    } catch (error) {
      this.#trouble = error;
    }
  }

  async #put({ entry, bytes }: Link): Promise<void> {
    const { repository: { store }, database } = this.#options;
    const key = entryKey(database, this.id, entry.sequence);
    if ((await store.put(key, bytes, { ifAbsent: true })) !== undefined) return;
    const there = await store.get(key, { first: true });
    if (there === undefined) throw new HoldfastError("store-failed", `${key} could not be written, but is not there either`);
    if (there.bytes.equals(bytes)) return;
    this.#fork = new HoldfastError("lock-held", `another run has written ${key}: two runs go on with ${this.id} at once`, {
      hints: ["Find out which of the two is to go on, and end the other one; then run `holdfast rollback resume` on its host."],
      details: { key },
    });
    throw this.#fork;
  }

  #fallBehind(why: unknown): void {
    this.#behind = true;
    if (this.#warned) return;
    this.#warned = true;
    const { reporter, repository } = this.#options;
    reporter.emit({ type: "note", level: "warn", message: `the journal goes on in ${this.path} only: ${repository.store.url} could not be reached (${messageOf(why)}); it gets what it misses as soon as it can be` });
  }
}
