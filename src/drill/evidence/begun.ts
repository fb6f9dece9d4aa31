/**
 * That a drill was begun: written before anything else, so that one that was killed shows. It is not signed and proves
 * nothing; what it says goes to terminals, so it is taken in with care.
 */
import { z } from "zod";

import { begunFile, drillId, drillKey } from "../../catalog/layout.ts";
import { HoldfastError } from "../../errors.ts";
import type { Ids } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import { isAbandoned, noteOf } from "../scratch/owner.ts";
import type { Ownership } from "../scratch/scratch.ts";

const instant = z.iso.datetime({ precision: 3 });
const label = z.string().transform((text) => text.replace(/\p{Cc}/gu, "?").slice(0, 200));

const begunSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-drill-begun"),
  id: label,
  database: label,
  /** Id of the backup that was chosen; null if the drill began before one could be. */
  backup: label.nullable(),
  host: label,
  user: label,
  pid: z.int().positive(),
  /** When the process started and the set of processes that `pid` counts in, as on a scratch. */
  started: label,
  space: label,
  startedAt: instant,
  /** From then on it counts as ended, whatever its host says. */
  expires: instant,
});

export type Begun = z.infer<typeof begunSchema>;

export interface Beginning {
  readonly database: string;
  readonly backup: string | null;
  readonly startedAt: Date;
  readonly expires: Date;
  readonly actor: { readonly user: string; readonly host: string };
  readonly ids: Ids;
  /** By default this process. */
  readonly pid?: number;
}

const tries = 10;

/**
 * Takes an id for a drill by writing `begun.json` under it.
 * @throws HoldfastError `store-failed` if it cannot be written, or every id that was tried is taken
 */
export async function beginDrill(store: Store, { database, backup, startedAt, expires, actor, ids, pid = process.pid }: Beginning): Promise<Begun> {
  for (let left = tries; left > 0; left -= 1) {
    const id = drillId(database, startedAt, ids.suffix());
    const { host, user, started, space, ...note } = await noteOf({ drill: id, ...actor, pid, expires });
    const begun: Begun = { format: 1, kind: "holdfast-drill-begun", id, database, backup, host, user, pid, started, space, startedAt: startedAt.toISOString(), expires: note.expires };
    const written = await store.put(drillKey(database, id, begunFile), Buffer.from(`${JSON.stringify(begun, null, 2)}\n`), { ifAbsent: true });
    if (written !== undefined) return begun;
  }
  throw new HoldfastError("store-failed", `${tries} ids of drills of ${database} at ${startedAt.toISOString()} were taken already`, { hints: ["Run the drill again."] });
}

/** Reads `begun.json`; undefined if it is none, or another drill's. */
export function parseBegun(bytes: Buffer, database: string, id: string): Begun | undefined {
  try {
    const begun = begunSchema.safeParse(JSON.parse(bytes.toString("utf8"))).data;
    return begun?.id === id && begun.database === database ? begun : undefined;
  } catch {
    return undefined;
  }
}

/** As the scratch of a drill knows its owner. */
export function ownershipOf({ id, host, user, pid, expires }: Begun): Ownership {
  return { drill: id, host, user, pid, expires: new Date(expires) };
}

/** Where and when the question is asked whether a drill still runs. */
export interface Observer {
  readonly now: Date;
  readonly host: string;
}

/** Whether a drill may still be running: its time is not over and, seen from its own host, its process is there. */
export async function isRunning({ id, host, user, pid, started, space, expires }: Begun, observer: Observer): Promise<boolean> {
  return !(await isAbandoned(id, { drill: id, host, user, pid, started, space, expires }, { host: observer.host, now: () => observer.now }));
}
