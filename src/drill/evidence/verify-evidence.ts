/** Finds and names whatever was done to the drills of a database since they were recorded. */
import { drillKey, evidenceFile } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { type DrillRecord, listDrills, type ProvenDrill } from "./records.ts";
import { checkReports } from "./report-index.ts";
import type { DrillTampering } from "./signed-file.ts";

/** A drill's evidence as the timeline names it: what was there once, and has to be there still. */
export interface RecordedDrill {
  readonly drill: string;
  /** SHA-256 of evidence.json. */
  readonly sha256: string;
  /** SHA-256 of a certification, where the entry is of one. */
  readonly certification?: string | undefined;
  /** Named by the origin's timeline only, of a copy: it may never have been brought. */
  readonly elsewhere?: boolean;
}

export interface DrillProblem {
  readonly database: string;
  /** Id of the drill that is concerned. */
  readonly drill: string;
  readonly problem: DrillTampering;
  readonly detail: string;
}

export interface DrillsReport {
  /** Drills that were found, sound or not. */
  readonly drills: number;
  /** Of them, with evidence that a trusted signer signed. */
  readonly proven: number;
  readonly problems: readonly DrillProblem[];
  /** What limits the proof without being wrong. */
  readonly warnings: readonly string[];
}

/**
 * Checks every drill of a database: signatures, reports, certifications, the chain, and against what the timeline says.
 * @param recorded - read from the timeline before, so that what is published meanwhile is not missed
 * @throws HoldfastError only what the store throws, and `configuration` if nobody is trusted
 */
export async function verifyDrills(repository: Repository, database: string, recorded: readonly RecordedDrill[]): Promise<DrillsReport> {
  const records = await listDrills(repository, database, { now: new Date(), host: "" });
  const problems: DrillProblem[] = [];
  const report = (drill: string, problem: DrillTampering, detail: string): void => void problems.push({ database, drill, problem, detail });
  for (const record of records) {
    for (const error of await problemsOf(repository, record)) report(record.id, await tamperingOf(repository, record, error), error.message);
  }
  const proven = records.filter((record) => record.evidence !== undefined);
  // What cannot be trusted has its problem already; what is missing is named once.
  const named = new Set(records.filter(({ problem }) => problem !== undefined).map(({ id }) => id));
  const missing = (drill: string, who: string): void => {
    if (!named.has(drill)) report(drill, "removed", `its ${evidenceFile} is missing; ${who}`);
    named.add(drill);
  };
  // A copy has a chain of its own beside that of its origin.
  for (const chain of Map.groupBy(proven, ({ evidence }) => evidence.repository.id).values()) checkChain(chain, report, missing);
  const warnings: string[] = [];
  checkRecorded(proven, recorded, report, missing, (what) => { if (!warnings.includes(what)) warnings.push(what); });
  const known = new Set(recorded.map(({ drill }) => drill));
  warnings.push(...proven.filter(({ id }) => !known.has(id)).map(({ id }) => `the timeline has no entry of drill ${id}; if it waits on a host, that host adds it with its next run`));
  return { drills: records.length, proven: proven.length, problems, warnings };
}

type Report = (drill: string, problem: DrillTampering, detail: string) => void;
type Missing = (drill: string, who: string) => void;

/** What is wrong inside the folder of one drill. */
async function problemsOf(repository: Repository, record: DrillRecord): Promise<HoldfastError[]> {
  if (record.problem !== undefined) return [record.problem];
  if (record.evidence === undefined) return [];
  const certifications = record.certifications.flatMap(({ problem }) => problem ?? []);
  try {
    return [...certifications, ...(await checkReports(repository, record, record.files))];
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return [...certifications, error];
    throw error;
  }
}

/** A file whose signature does not fit was changed, unless it says itself that a stranger signed it. */
async function tamperingOf({ store, trusted }: Repository, { database, id }: DrillRecord, { details }: HoldfastError): Promise<DrillTampering> {
  const { tampering, found, part, signer } = details ?? {};
  if (typeof tampering === "string") return tampering as DrillTampering;
  if (found === "no signature") return "unsigned";
  // Only a signature out of its key's time names its signer.
  if (typeof signer === "string") return "stranger";
  const stored = typeof part === "string" ? await store.get(drillKey(database, id, part)) : undefined;
  const claimed = /^ {2}"signer": "([^"]*)"/m.exec(stored?.bytes.toString("utf8") ?? "")?.[1];
  return claimed !== undefined && /^[0-9a-f]{16}$/.test(claimed) && !trusted.some(({ id: known }) => known === claimed) ? "stranger" : "edited";
}

/** Each drill follows one that is there unchanged, none two of them the same one, and only one follows none. */
function checkChain(proven: readonly (DrillRecord & ProvenDrill)[], report: Report, missing: Missing): void {
  const byId = new Map(proven.map((drill) => [drill.id, drill]));
  const followers = new Map<string | undefined, string>();
  for (const { id, evidence } of proven.toReversed()) {
    const { previous } = evidence;
    const first = followers.get(previous?.id);
    if (first === undefined) followers.set(previous?.id, id);
    else report(id, "forked", previous === null ? `it follows no drill, and neither does ${first}: there are two beginnings` : `it follows drill ${previous.id}, and so does ${first}`);
    if (previous === null) continue;
    const before = byId.get(previous.id);
    if (before === undefined) missing(previous.id, `drill ${id} follows it`);
    else if (before.sha256 !== previous.sha256) report(previous.id, "edited", `the SHA-256 of its evidence is ${before.sha256}, but drill ${id} follows ${previous.sha256}`);
  }
}

/** What the timeline names is there, and is the same: the only way to see that the newest was removed. */
function checkRecorded(proven: readonly (DrillRecord & ProvenDrill)[], recorded: readonly RecordedDrill[], report: Report, missing: Missing, warn: (what: string) => void): void {
  for (const { drill, sha256, certification, elsewhere = false } of recorded) {
    const found = proven.find(({ id }) => id === drill);
    if (found === undefined) {
      if (elsewhere) warn(`the origin's timeline names drill ${drill}, which is not in this copy`);
      else missing(drill, "the timeline names it");
      continue;
    }
    if (found.sha256 !== sha256) report(drill, "edited", `the SHA-256 of its evidence is ${found.sha256}, but the timeline recorded ${sha256}`);
    const fits = (record: (typeof found.certifications)[number]): boolean => record.problem !== undefined || record.sha256 === certification;
    if (certification === undefined || found.certifications.some(fits)) continue;
    if (elsewhere) warn(`the origin's timeline names a certification of drill ${drill} with the SHA-256 ${certification}, which is not in this copy`);
    else report(drill, "removed", `a certification with the SHA-256 ${certification} is missing; the timeline names it`);
  }
}
