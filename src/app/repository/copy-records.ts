/**
 * The records of a database on their way to a copy: what was held, deployed, drilled, rehearsed and rolled back. Each is
 * proved before anything of it is published there, and what stands there and differs is never replaced.
 */
import type { Continued } from "../../catalog/chain-copy.ts";
import { copyHold, type Hold, isAsStrong, isInForce } from "../../catalog/holds.ts";
import { backupKey, holdKey, incidentsFolder, manifestFile } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { snapshotStore } from "../../catalog/snapshot.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import { copyIncident } from "../../rollback/incident/incident.ts";
import type { Store, StoredBytes } from "../../store/store.ts";
import { inOrder, type RecordKind, recordKinds, type WrittenOnce, writtenOnce } from "./record-kinds.ts";

/** Of one kind: of how many something was brought, and how many the copy had already. */
export interface RecordCount {
  copied: number;
  unchanged: number;
}

export type RecordCounts = Record<RecordKind, RecordCount>;

export interface RecordCopyOptions {
  /** What `--from` calls the copy. */
  readonly to: string;
  /** Compares also what is there already byte by byte; otherwise by size. */
  readonly verify: boolean;
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly note: (level: "info" | "warn", message: string) => void;
  /** Runs work whose `integrity` failure must not keep the rest from being copied. */
  readonly collecting: (work: () => Promise<void>) => Promise<void>;
}

interface Wanted {
  readonly kind: WrittenOnce;
  readonly id: string;
  /** In the order in which they are published. */
  readonly keys: readonly string[];
}

/** What a copy lacks of a database's records, by size. */
export interface LackingRecords {
  readonly database: string;
  readonly once: readonly Wanted[];
  readonly incidents: readonly string[];
  /** Ids of the backups. */
  readonly holds: ReadonlySet<string>;
  readonly count: number;
}

const hintOfBoth = "Nothing was replaced. Find out which of them is right, with `holdfast repository check` at both places, and move the other one away.";

export class RecordCopy {
  readonly counts = Object.fromEntries(recordKinds.map((kind) => [kind, { copied: 0, unchanged: 0 }])) as RecordCounts;
  readonly #source: Repository;
  readonly #copy: Repository;
  readonly #options: RecordCopyOptions;
  readonly #heldBefore = new Set<string>();

  constructor(source: Repository, copy: Repository, options: RecordCopyOptions) {
    this.#source = source;
    this.#copy = copy;
    this.#options = options;
  }

  /** Looks at the listings of both places, and counts what is there already. */
  async lacking(database: string): Promise<LackingRecords> {
    const once: Wanted[] = [];
    for (const kind of writtenOnce) once.push(...(await this.#lackingOf(kind, database)));
    const incidents = await this.#grown("incidents", incidentsFolder(database));
    const holds = new Set(await this.#grown("holds", holdKey(database, "").replace(/\.json$/, "")));
    return { database, once, incidents, holds, count: once.length + incidents.length + holds.size };
  }

  /** Brings the hold of a backup that is about to be published: there is no moment in which it is there and not held. */
  async bringHold({ database, holds }: LackingRecords, backup: string): Promise<void> {
    if (!holds.has(backup) || this.#heldBefore.has(backup)) return;
    this.#heldBefore.add(backup);
    await this.#options.collecting(() => this.#hold(database, backup));
  }

  /** Brings everything else; to be called when the backups are there. */
  async bring(lacking: LackingRecords): Promise<void> {
    const { database, once, incidents, holds } = lacking;
    const { collecting, signal } = this.#options;
    // A hold goes where its backup is.
    for (const backup of holds) if ((await this.#copy.store.head(backupKey(database, backup, manifestFile))) !== undefined) await this.bringHold(lacking, backup);
    const withoutBackup: string[] = [];
    const waiting = new Map(once.map((wanted) => [nameOf(wanted), wanted]));
    const bringOne = async (name: string): Promise<void> => {
      const wanted = waiting.get(name);
      if (wanted === undefined) return;
      waiting.delete(name);
      throwIfCancelled(signal);
      await collecting(() => this.#once(database, wanted, (follows) => bringOne(nameOf({ kind: wanted.kind, id: follows })), withoutBackup));
    };
    for (const kind of recordKinds) {
      for (const wanted of once) if (wanted.kind.kind === kind) await bringOne(nameOf(wanted));
      if (kind === "incidents") for (const id of incidents) await collecting(() => this.#incident(id));
    }
    if (withoutBackup.length > 0) this.#options.note("warn", `${withoutBackup.join(", ")}: not at ${this.#copy.store.url}, which knows the images then, but cannot restore; copy without a choice of backups to bring them`);
  }

  async #lackingOf(kind: WrittenOnce, database: string): Promise<Wanted[]> {
    const folder = kind.folder(database);
    const [here, there] = await Promise.all([sizesBelow(this.#source.store, folder), sizesBelow(this.#copy.store, folder)]);
    const records = Map.groupBy(here.keys(), (name) => kind.idOf(name));
    const wanted: Wanted[] = [];
    for (const [id, names] of records) {
      if (id === undefined) continue;
      const files = inOrder(kind, names);
      if (files.length === 0) continue;
      if (!this.#options.verify && files.every((name) => there.get(name) === here.get(name))) this.counts[kind.kind].unchanged += 1;
      else wanted.push({ kind, id, keys: files.map((name) => folder + name) });
    }
    return wanted;
  }

  /** Ids of the chains whose object the copy has not, or in another size. */
  async #grown(kind: RecordKind, folder: string): Promise<string[]> {
    const [here, there] = await Promise.all([sizesBelow(this.#source.store, folder), sizesBelow(this.#copy.store, folder)]);
    const ids: string[] = [];
    for (const [name, bytes] of here) {
      if (!name.endsWith(".json")) continue;
      if (!this.#options.verify && there.get(name) === bytes) this.counts[kind].unchanged += 1;
      else ids.push(name.slice(0, -".json".length));
    }
    return ids;
  }

  /** Proves a record as it was read, then publishes what the copy lacks of it. */
  async #once(database: string, { kind, id, keys }: Wanted, before: (id: string) => Promise<void>, withoutBackup: string[]): Promise<void> {
    const objects = await readAll(this.#source.store, keys);
    const proof = await kind.prove({ ...this.#source, store: snapshotStore(this.#source.store.url, objects) }, database, id);
    if (proof === undefined) return;
    if (proof.ofThisPlace === true) {
      this.#options.note("info", `${id} tells of ${this.#source.store.url} itself and stays there`);
      return;
    }
    if (proof.follows !== undefined) await before(proof.follows);
    const there = await readAll(this.#copy.store, [...objects.keys()]);
    for (const [key, { bytes }] of objects) if (there.get(key)?.bytes.equals(bytes) === false) throw this.#differs(key);
    const missing = [...objects].filter(([key]) => !there.has(key));
    for (const [key, { bytes }] of missing) {
      if ((await this.#copy.store.put(key, bytes, { ifAbsent: true })) !== undefined) continue;
      if ((await this.#copy.store.get(key, { first: true }))?.bytes.equals(bytes) !== true) throw this.#differs(key);
    }
    this.counts[kind.kind][missing.length > 0 ? "copied" : "unchanged"] += 1;
    if (proof.backup !== undefined && missing.length > 0 && (await this.#leftOut(database, proof.backup))) withoutBackup.push(`backup ${proof.backup} of checkpoint ${id}`);
  }

  /** Whether a backup is at the source and not at the copy. */
  async #leftOut(database: string, backup: string): Promise<boolean> {
    const key = backupKey(database, backup, manifestFile);
    return (await this.#copy.store.head(key)) === undefined && (await this.#source.store.head(key)) !== undefined;
  }

  #differs(key: string): HoldfastError {
    return new HoldfastError("integrity", `${key} in ${this.#copy.store.url} is not what ${this.#source.store.url} holds under that name`, { hints: [hintOfBoth], details: { key } });
  }

  async #incident(id: string): Promise<void> {
    const continued = await copyIncident(this.#source, this.#copy, id);
    if (continued === undefined) return;
    this.#count("incidents", continued);
    if (continued.outcome === "parted") throw this.#parted(`incident ${id}`);
  }

  async #hold(database: string, backup: string): Promise<void> {
    const { to, now, note } = this.#options;
    const held = await copyHold(this.#source, this.#copy, backup, now);
    if (held === undefined) return;
    this.#count("holds", held);
    const place = this.#copy.store.url;
    if (held.outcome === "kept-back" && isInForce(held.copy, now)) note("warn", `${backup} is held at ${place} (${said(held.copy)}), but at ${this.#source.store.url} ${isInForce(held.source, now) ? "for a shorter time" : "not any more"}: a copy is let go at the copy only, with \`holdfast backup release ${backup} --from ${to}\``);
    if (isAsStrong(held.copy, held.source, now)) return;
    if (held.outcome === "parted") throw this.#parted(`the hold of ${backup} of ${database}`, `Hold it there as well: holdfast backup hold ${backup} --from ${to} --reason TEXT`);
    note("warn", `${backup} is held at ${this.#source.store.url}, but was released at ${place}: \`holdfast backup hold ${backup} --from ${to}\` holds it there again`);
  }

  #count(kind: RecordKind, { outcome, added }: Continued & { readonly added: boolean }): void {
    if (outcome !== "parted") this.counts[kind][added ? "copied" : "unchanged"] += 1;
  }

  #parted(what: string, hint = hintOfBoth): HoldfastError {
    return new HoldfastError("integrity", `${what} goes on in two ways, in ${this.#source.store.url} and in ${this.#copy.store.url}: each has records that the other has not`, { hints: [hint] });
  }
}

const nameOf = ({ kind, id }: Pick<Wanted, "kind" | "id">): string => `${kind.kind} ${id}`;

function said(hold: Hold | null): string {
  return hold === null ? "" : `${hold.reason}; ${hold.until === null ? "without an end" : `until ${hold.until.toISOString()}`}`;
}

/** Bytes of the objects below a folder, by what follows it in their keys. */
async function sizesBelow(store: Store, folder: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, bytes } of store.list(folder)) sizes.set(key.slice(folder.length), bytes);
  return sizes;
}

/** In the order of the keys; what is not there is left out. */
async function readAll(store: Store, keys: readonly string[]): Promise<Map<string, StoredBytes>> {
  const found = await Promise.all(keys.map(async (key) => [key, await store.get(key, { first: true })] as const));
  return new Map(found.flatMap(([key, stored]) => (stored === undefined ? [] : [[key, stored] as const])));
}
