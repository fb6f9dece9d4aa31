/** Finds and names whatever was done to the timeline since it was written. */
import type { TrustedSigner } from "../catalog/signatures.ts";
import { describeWindow, isValidAt } from "../catalog/signer-window.ts";
import { type ChainObject, type ChainStore, closedFor, listChain } from "./chain.ts";
import { type Envelope, decode, sha256 } from "./entry.ts";
import { readLocalCopy, type Witness } from "./local-copy.ts";
import { ahead, bytesOf } from "./select.ts";

/** What can be wrong with an entry. */
export type Tampering =
  /** Its text, its signature or its place in the chain is not what was written. */
  | "edited"
  /** One or more entries that were there are not. */
  | "removed"
  /** It stands at another place than its own. */
  | "misplaced"
  /** It stands there a second time, or its sequence does. */
  | "duplicated"
  /** Signed with a key that is not among the trusted ones, or not any more. */
  | "stranger"
  /** Not an entry at all. */
  | "garbage";

export interface TimelineProblem {
  /** The first sequence that is concerned; null for an object whose name holds none. */
  readonly sequence: number | null;
  /** The object; null where there is none. */
  readonly key: string | null;
  readonly problem: Tampering;
  readonly detail: string;
}

export interface TimelineReport {
  /** Objects that stand in the chain, sound or not. */
  readonly entries: number;
  /** Of them, validly signed by a trusted signer. */
  readonly signed: number;
  readonly unsigned: number;
  /** The last object; null if the timeline is empty. */
  readonly head: { readonly sequence: number; readonly sha256: string | null } | null;
  /** Empty if nothing was tampered with. */
  readonly problems: readonly TimelineProblem[];
  /** What limits the proof without being wrong. */
  readonly warnings: readonly string[];
}

export interface VerifyOptions {
  readonly trusted: readonly TrustedSigner[];
  /** The local copy of a host that writes: without it, entries removed from the end are not missed. */
  readonly local?: string | undefined;
}

/**
 * Checks every entry of the repository.
 * @throws HoldfastError only what the store throws; all that is wrong with the timeline is in the report
 */
export async function verifyTimeline(store: ChainStore, { trusted, local }: VerifyOptions): Promise<TimelineReport> {
  // Before the listing: what is appended meanwhile must not look removed.
  const copy = local === undefined ? undefined : await readLocalCopy(local);
  const { objects, foreign } = await listChain(store);
  const examination = new Examination(trusted, copy?.witnesses ?? []);
  for (const { key } of foreign) examination.report(null, key, "garbage", "not the name of a timeline entry");

  const inChain = oneEach(objects, examination);
  for await (const read of ahead(inChain, async (object) => ({ object, bytes: await bytesOf(store, object) }))) examination.examine(read.object, read.bytes);
  examination.finish();
  return { ...examination.summary(), warnings: [...copyWarnings(local, copy), ...examination.warnings()] };
}

function copyWarnings(local: string | undefined, copy: { readonly unreadable: readonly number[] } | undefined): string[] {
  if (local === undefined) return ["no local copy was compared: entries removed from the end would not be missed"];
  if (copy === undefined) return [`there is no local copy at ${local}: entries removed from the end would not be missed`];
  return copy.unreadable.map((line) => `line ${line} of the local copy ${local} is not an entry`);
}

/** One object for each sequence, in order; the others that claim the same sequence are reported. */
function oneEach(objects: readonly ChainObject[], examination: Examination): ChainObject[] {
  const kept: ChainObject[] = [];
  for (const object of [...objects].sort((a, b) => a.sequence - b.sequence || a.year - b.year)) {
    const before = kept.at(-1);
    if (before?.sequence !== object.sequence) {
      kept.push(object);
      continue;
    }
    // The chain goes on in the folder where it was; a later year is only opened by an entry of its own.
    const stays = before.year >= (kept.at(-2)?.year ?? 0);
    const [genuine, other] = stays ? [before, object] : [object, before];
    kept[kept.length - 1] = genuine;
    examination.report(object.sequence, other.key, "duplicated", `sequence ${object.sequence} also stands at ${genuine.key}`);
  }
  return kept;
}

/** An object that was examined. */
interface Link {
  readonly object: ChainObject;
  readonly sha256: string | undefined;
  readonly envelope: Envelope | undefined;
  /** Nothing was found wrong with the object for itself. */
  readonly sound: boolean;
  readonly signed: boolean;
}

/** By how much the clocks of two hosts may disagree about the end of a key. */
const clockSkewMs = 5 * 60_000;

class Examination {
  readonly #trusted: readonly TrustedSigner[];
  readonly #witnesses = new Map<number, { readonly sha256: string; readonly id: string | undefined }[]>();
  readonly #problems: TimelineProblem[] = [];
  readonly #places = new Map<string, number>();
  #last: Link | undefined;
  /** The latest time that a signed entry has stated so far. */
  #latest: { readonly at: Date; readonly sequence: number } | undefined;
  #entries = 0;
  #signed = 0;
  #unsigned = 0;

  constructor(trusted: readonly TrustedSigner[], witnesses: readonly Witness[]) {
    this.#trusted = trusted;
    for (const { sequence, bytes } of witnesses) {
      const seen = { sha256: sha256(bytes), id: decode(bytes)?.entry.id };
      this.#witnesses.set(sequence, [...(this.#witnesses.get(sequence) ?? []), seen]);
    }
  }

  report(sequence: number | null, key: string | null, problem: Tampering, detail: string): void {
    this.#problems.push({ sequence, key, problem, detail });
  }

  /** Takes the chain's objects in the order of their sequences. */
  examine(object: ChainObject, bytes: Buffer | undefined): void {
    const envelope = bytes && decode(bytes);
    const gap = this.#missing(object.sequence);
    const before = this.#problems.length;
    const signed = envelope !== undefined && this.#entry(object, envelope);
    if (envelope === undefined) this.report(object.sequence, object.key, "garbage", "not an entry of a timeline");
    const hash = bytes && sha256(bytes);
    if (this.#problems.length === before) this.#witness(object, envelope, hash);
    const link = { object, envelope, signed, sha256: hash, sound: this.#problems.length === before };
    this.#chain(link, gap);
    this.#last = link;
    this.#entries += 1;
    if (signed) this.#signed += 1;
    if (envelope?.signature === null) this.#unsigned += 1;
  }

  /** Reports the entries missing before this one. @returns whether there are any */
  #missing(sequence: number): boolean {
    const first = (this.#last?.object.sequence ?? 0) + 1;
    if (first === sequence) return false;
    this.report(first, null, "removed", first === sequence - 1 ? `entry ${first} is missing` : `entries ${first} to ${sequence - 1} are missing`);
    return true;
  }

  /** Checks an entry for itself. @returns whether a trusted signer signed it */
  #entry(object: ChainObject, { entry, text, signature }: Envelope): boolean {
    const { sequence, key, year } = object;
    const same = this.#places.get(entry.id);
    if (same !== undefined) this.report(sequence, key, "duplicated", `a copy of entry ${same}`);
    else if (entry.sequence !== sequence) this.report(sequence, key, "misplaced", `holds the entry with sequence ${entry.sequence}`);
    else this.#places.set(entry.id, sequence);

    const own = Number((entry.recordedAt ?? entry.at).slice(0, 4));
    if (year < own && closedFor(entry, year) === undefined) this.report(sequence, key, "misplaced", `an entry of ${own} stands in the folder of ${year}`);

    if (signature === null) return false;
    const signer = this.#trusted.find(({ id }) => id === signature.signer);
    if (signer === undefined) this.report(sequence, key, "stranger", `signed with the key ${signature.signer}, which is not trusted`);
    else if (!signer.verify(Buffer.from(text), signature.bytes)) this.report(sequence, key, "edited", `the signature of ${signature.signer} does not match its text`);
    else return this.#inTime(object, entry, signer);
    return false;
  }

  /**
   * Whoever kept a retired key can write any date into an entry, but cannot put it before those that are there: after
   * an entry of a later time than its key's end it is dated back.
   */
  #inTime({ sequence, key }: ChainObject, entry: Envelope["entry"], signer: TrustedSigner): boolean {
    const at = new Date(entry.recordedAt ?? entry.at);
    const before = this.#latest;
    if (before === undefined || before.at < at) this.#latest = { at, sequence };
    if (!isValidAt(signer, at)) {
      this.report(sequence, key, "stranger", `signed at ${at.toISOString()} with the key ${signer.id}, which counted ${describeWindow(signer)} only`);
      return false;
    }
    if (signer.validUntil === undefined || before === undefined || before.at.getTime() < signer.validUntil.getTime() + clockSkewMs) return true;
    this.report(sequence, key, "stranger", `signed with the key ${signer.id}, which counted ${describeWindow(signer)} only, but stands after entry ${before.sequence} of ${before.at.toISOString()}: it is dated back`);
    return false;
  }

  /** Checks an object against the one before it. What one bad object breaks on both sides is reported once. */
  #chain(link: Link, gap: boolean): void {
    const { object, envelope } = link;
    const last = this.#last;
    if (last !== undefined) this.#folder(link, last);
    else if (envelope !== undefined && !gap && envelope.entry.previous !== null) this.report(object.sequence, object.key, "edited", "the first entry names a previous one");
    if (last === undefined || gap || envelope === undefined || !link.sound || !last.sound || envelope.entry.previous === last.sha256) return;
    if (last.signed && !link.signed) {
      this.report(object.sequence, object.key, "edited", `it does not follow entry ${last.object.sequence}, which is signed: the SHA-256 that it names is another`);
    } else {
      const named = envelope.entry.previous ?? "none";
      this.report(last.object.sequence, last.object.key, "edited", `its SHA-256 is ${last.sha256 ?? "unknown"}, but entry ${object.sequence} follows ${named}`);
    }
  }

  /** An entry stands in the folder of the one before it, unless that one closed the year. */
  #folder({ object, envelope }: Link, last: Link): void {
    const adjacent = object.sequence === last.object.sequence + 1;
    const expected = closedFor(last.envelope?.entry, last.object.year) ?? last.object.year;
    const wrong = adjacent && last.envelope !== undefined ? object.year !== expected : object.year < expected;
    if (wrong && envelope !== undefined) this.report(object.sequence, object.key, "misplaced", `stands in the folder of ${object.year}, but belongs into that of ${expected}`);
  }

  /** Compares an object with what this host recorded in its place. */
  #witness(object: ChainObject, envelope: Envelope | undefined, found: string | undefined): void {
    for (const { sha256: recorded, id } of this.#witnesses.get(object.sequence) ?? []) {
      if (recorded === found) continue;
      if (id === envelope?.entry.id) this.report(object.sequence, object.key, "edited", `its SHA-256 is ${found ?? "unknown"}, but this host recorded ${recorded}`);
      else this.report(object.sequence, object.key, "removed", `this host recorded another entry in its place, SHA-256 ${recorded}`);
    }
  }

  /** Looks for what this host recorded behind the chain's end. */
  finish(): void {
    const head = this.#last?.object.sequence ?? 0;
    for (const sequence of this.#witnesses.keys()) {
      if (sequence > head) this.report(sequence, null, "removed", `entry ${sequence} is missing at the end; this host recorded it`);
    }
  }

  summary(): Omit<TimelineReport, "warnings"> {
    const last = this.#last;
    return {
      entries: this.#entries,
      signed: this.#signed,
      unsigned: this.#unsigned,
      head: last === undefined ? null : { sequence: last.object.sequence, sha256: last.sha256 ?? null },
      problems: this.#problems.toSorted((a, b) => (a.sequence ?? Infinity) - (b.sequence ?? Infinity)),
    };
  }

  warnings(): string[] {
    return this.#unsigned === 0 ? [] : [`${this.#unsigned} of ${this.#entries} entries are unsigned: only the chain and the local copy vouch for them`];
  }
}
