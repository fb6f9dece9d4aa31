/** The steps of a proof, and the checks of a drill, in the order in which they stand in the evidence. */
import type { Manifest } from "../../catalog/manifest.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { checkAssertion } from "../../drill/checks/assertions.ts";
import { checkCanary } from "../../drill/checks/canary.ts";
import { comparesSomething, comparisonChecks, findingOf } from "../../drill/checks/comparison.ts";
import type { DrillJournal, PlannedCheck } from "../../drill/journal.ts";
import { runSmokeTest } from "../../drill/checks/smoke.ts";
import { checkFiles, checkHealth } from "../../drill/checks/soundness.ts";
import { HoldfastError } from "../../errors.ts";
import type { Step } from "../../ports.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { openSession } from "../../postgres/session.ts";
import { counted } from "../../text/format.ts";
import { readCopy } from "../restore/compare-copy.ts";
import type { RestoreWork } from "../restore/restore-backup.ts";

/** What drills and rehearsals do with a backup to prove it. */
export const proofSteps = [
  { id: "fetch", title: "fetch and compare hashes" },
  { id: "decrypt", title: "decrypt and read the archive" },
  { id: "provision", title: "make a scratch" },
  { id: "restore", title: "restore" },
  { id: "analyze", title: "analyze" },
  { id: "checks", title: "compare with the truth" },
] as const satisfies readonly Step[];

/** Checks on which all after them rest. */
export const essentials = {
  signature: { id: "signature", title: "The manifest is signed by a trusted key" },
  key: { id: "key", title: "An identity at hand opens the backup's key" },
  hashes: { id: "hashes", title: "Every part has the size and the SHA-256 that were signed" },
  archive: { id: "archive", title: "Every part opens, the archive is complete, and holds as many rows as were counted" },
  provision: { id: "provision", title: "A scratch could be had" },
  scratch: { id: "scratch", title: "The scratch fits the backup" },
  restore: { id: "restore", title: "The restore ends without a single error" },
  settings: { id: "settings", title: "Statistics, settings and grants of the database could be restored" },
  comparison: { id: "comparison", title: "The copy could be read as the source was" },
} as const satisfies Record<string, PlannedCheck>;

const health: PlannedCheck = { id: "health", title: "No index is invalid" };
const structure: PlannedCheck = { id: "amcheck", title: "The structure of tables and indexes is sound" };
const canary: PlannedCheck = { id: "canary", title: "The row that was written before the backup is there" };
export const smoke: PlannedCheck = { id: "smoke", title: "The application works on the copy" };
const assertionCheck = ({ name }: { readonly name: string }): PlannedCheck => ({ id: `assertion:${name}`, title: name });

/** Found by the clock, when all is over. */
export const objectives = {
  rpo: { id: "rpo", title: "The backup is as fresh as the recovery point objective asks" },
  rto: { id: "rto", title: "The recovery takes no longer than the recovery time objective allows" },
} as const satisfies Record<string, PlannedCheck>;

/** Everything that a drill of this database checks, so that what was not reached can be named. */
export function plannedChecks(database: DatabaseConfig): PlannedCheck[] {
  return [...contentChecks(database), smoke];
}

/** Everything up to {@link checkContent}. */
export function contentChecks({ drill }: DatabaseConfig): PlannedCheck[] {
  return [...Object.values(essentials), ...comparisonChecks, health, structure, canary, ...drill.assertions.map(assertionCheck)];
}

/** @throws HoldfastError `refused`: a drill that compares nothing would prove nothing */
export function requireSomethingToCompare(manifest: Manifest, { drill }: DatabaseConfig): void {
  if (comparesSomething(manifest.truth) || drill.assertions.length > 0) return;
  throw new HoldfastError("refused", `backup ${manifest.id} has no table whose rows were counted, and no assertion is configured: a drill would compare nothing`, {
    hints: ["Back up what is to be proved: look at `include` and `exclude` of the database's configuration.", "Or add assertions to the drill's configuration."],
  });
}

/** Looks at the finished copy; the smoke test comes last, since it may write. */
export async function checkCopy(work: RestoreWork, journal: DrillJournal, database: DatabaseConfig, { url, drill }: { readonly url: string | undefined; readonly drill: string }): Promise<void> {
  const { signal } = work.context;
  await checkContent(work, journal, database);
  await journal.check(smoke, async () => (database.drill.smoke === undefined ? { outcome: "left-out", detail: "no smoke test is configured" } : runSmokeTest(database.drill.smoke, { url, signal, drill })));
}

/** Compares the finished copy with the truth, and reads it as the configuration asks. Writes nothing. */
export async function checkContent(work: RestoreWork, journal: DrillJournal, database: DatabaseConfig): Promise<void> {
  const { manifest, server, target, context: { signal } } = work;
  const reading = await journal.essential(essentials.comparison, () => readCopy(work, target), ({ tables, objects }) => ({ detail: `${counted(tables.length, "table")} and ${counted(objects, "definition")} read` }));
  for (const check of comparisonChecks) await journal.check(check, () => Promise.resolve(findingOf(check, { expected: manifest.truth, ...reading })));
  const session = await openSession(server.target(target), { signal });
  try {
    await journal.check(health, () => checkHealth(session));
    await journal.check(structure, () => checkFiles(session));
    await journal.check(canary, () => checkCanary(session, manifest.truth));
    const { schema } = parseDatabaseUrl(database.url);
    for (const assertion of database.drill.assertions) await journal.check(assertionCheck(assertion), () => checkAssertion(session, assertion, { schema }));
  } finally {
    await session.close();
  }
}
