/** Where a drill restores to: a place that was not there before, belongs to this one drill, and is gone after it. */
import type { ProviderName } from "../../config/drill-settings.ts";
import type { Server } from "../../postgres/server.ts";

/** The kinds that a drill may take, and the one that only a rehearsal's place has. */
export type ScratchKind = ProviderName | "kubernetes";

/** How the names of everything that drills make begin, on every kind of place. */
export const scratchMark = "holdfast-drill-";

/** Whose a scratch is: after the process has ended, or the time is over, anybody may remove it. */
export interface Ownership {
  /** The drill's id. */
  readonly drill: string;
  readonly host: string;
  readonly user: string;
  readonly pid: number;
  readonly expires: Date;
}

export interface ScratchRequest {
  readonly owner: Ownership;
  /** Major version of the backed-up server; a scratch has the same, or at least a newer one. */
  readonly major: number;
  /** What the copy will take on disk, about. */
  readonly bytes: number;
  /** The name that the copy should get where the scratch is a server of its own. */
  readonly database: string;
  readonly signal: AbortSignal;
}

/** A server on which a copy may be made, and the name for it. */
export interface Scratch {
  readonly provider: ScratchKind;
  /** Of the folder, container or database, as a person would look for it. */
  readonly name: string;
  /** What it is, in a sentence for the evidence: "a throwaway PostgreSQL 15.18 cluster on its own socket". */
  readonly description: string;
  /** Reached as a user who may restore everything. */
  readonly server: Server;
  /** Name of the database that the restore shall make. */
  readonly database: string;
  /** Of that database, for a smoke test on this host; secret. Undefined where it cannot be reached from here. */
  readonly url: string | undefined;
  /**
   * The role that every role made for the drill must be granted to, in the transaction that makes it: on a server that is
   * shared, only those are dropped again. Left out where the whole server goes.
   */
  readonly roleMarker?: string;
  /** Told when the copy is complete, before it is looked at. */
  copied?(): Promise<void>;
  /**
   * Removes everything that belongs to it, also what was made with it (roles on a shared server). Not cancelled by the drill's signal.
   * @returns what is still there, looked for afterwards; empty is the proof that it is gone
   */
  destroy(): Promise<readonly string[]>;
}

/** What a drill that was killed has left. */
export interface Leftover {
  readonly provider: ScratchKind;
  readonly name: string;
  /** Undefined where it was killed before it could write that down. */
  readonly owner: Ownership | undefined;
  /** False while the drill may still run: another process of this host, or another host before the time is over. */
  readonly abandoned: boolean;
  /** As {@link Scratch.destroy}. */
  remove(): Promise<readonly string[]>;
}

export interface ScratchProvider {
  readonly name: ScratchKind;
  /** Why it cannot be used here and now; undefined if it can. */
  unavailable(major: number): Promise<string | undefined>;
  /** @throws HoldfastError `drill-unverified`: a scratch that cannot be had proves nothing about the backup */
  provision(request: ScratchRequest): Promise<Scratch>;
  /** Everything of drills that is found on this kind of place; empty where the place itself cannot be reached. */
  leftovers(): Promise<readonly Leftover[]>;
}
