/**
 * `reports.json`: which reports were made from the evidence. They show the evidence, so it cannot name them; this small
 * signed file beside it names both.
 */
import { z } from "zod";

import { drillKey, reportFiles, reportIndexFile, type ReportName } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { HoldfastError } from "../../errors.ts";
import type { Evidence } from "./evidence.ts";
import { type DrillPlace, parseSigned, readSignedFile, sha256Of, type SignedFile, untrue } from "./signed-file.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const reportIndexSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-drill-reports"),
  drill: z.string(),
  evidenceSha256: sha256,
  reports: z.array(z.strictObject({ name: z.enum(reportFiles), bytes: z.int().nonnegative(), sha256 })),
  signer: z.string(),
});

export type ReportIndex = z.infer<typeof reportIndexSchema>;

/** A report as it is stored. */
export interface ReportFile {
  readonly name: ReportName;
  readonly bytes: Buffer;
}

export function reportIndexOf(drill: string, evidenceSha256: string, reports: readonly ReportFile[], signer: string): ReportIndex {
  return { format: 1, kind: "holdfast-drill-reports", drill, evidenceSha256, reports: reports.map(({ name, bytes }) => ({ name, bytes: bytes.byteLength, sha256: sha256Of(bytes) })), signer };
}

/** What the list belongs to. */
export type ReportedDrill = DrillPlace & { readonly sha256: string; readonly evidence: Pick<Evidence, "finishedAt"> };

/** The list tells no time: it is signed in one go with the evidence that it names. */
function readReportIndex(repository: Repository, place: ReportedDrill): Promise<SignedFile<ReportIndex> | undefined> {
  return readSignedFile(repository, place, reportIndexFile, {
    noun: "list of reports", warning: "Do not show its reports to anybody as proof",
    parse: (bytes, key) => parseSigned(bytes, reportIndexSchema, key, "list of reports"), at: () => new Date(place.evidence.finishedAt),
  });
}

/**
 * Compares a drill's reports with the signed list of them.
 * @param files - the names in the drill's folder
 * @returns what does not fit
 * @throws HoldfastError `integrity` if the list itself cannot be trusted
 */
export async function checkReports(repository: Repository, place: ReportedDrill, files: readonly string[]): Promise<HoldfastError[]> {
  const { database, id } = place;
  const keyOf = (file: string): string => drillKey(database, id, file);
  const index = await readReportIndex(repository, place);
  if (index === undefined) return [untrue("removed", `${keyOf(reportIndexFile)} is missing, so nothing tells which reports are the drill's`, { part: reportIndexFile })];
  const { drill, evidenceSha256, reports } = index.content;
  if (drill !== id) return [untrue("misplaced", `${keyOf(reportIndexFile)} is that of drill ${drill}`, { part: reportIndexFile, expected: id, found: drill })];
  if (evidenceSha256 !== place.sha256) return [untrue("edited", `${keyOf(reportIndexFile)} was made for other evidence`, { part: reportIndexFile, expected: place.sha256, found: evidenceSha256 })];
  const listed = new Map(reports.map((report) => [report.name as string, report]));
  const problems = reportFiles
    .filter((name) => files.includes(name) && !listed.has(name))
    .map((name) => untrue("garbage", `${keyOf(name)} is not one of the drill's reports`, { part: name, expected: reports.map((report) => report.name).join(", ") }));
  for (const { name, sha256: expected } of reports) {
    const found = (await repository.store.get(keyOf(name)))?.bytes;
    if (found === undefined) problems.push(untrue("removed", `${keyOf(name)} is missing`, { part: name, expected }));
    else if (sha256Of(found) !== expected) problems.push(untrue("edited", `${keyOf(name)} was changed: its SHA-256 is ${sha256Of(found)}, not ${expected}`, { part: name, expected, found: sha256Of(found) }));
  }
  return problems;
}
