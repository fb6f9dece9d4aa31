/** The kinds of records that travel with a copy and are written once, file by file; in which order they are published. */
import { checkpointsFolder, drillsFolder, rehearsalsFolder, rollbacksFolder, runbooksFolder, signatureSuffix } from "../../catalog/layout.ts";
import { partsOfDeployedName } from "../../rollback/checkpoint/names.ts";
import { type Prove, proveCheckpoint, proveDrill, proveRehearsal, proveRollback, proveRunbook } from "./prove-records.ts";

/** In the order in which they are brought: what names another record comes after it. */
export const recordKinds = ["holds", "checkpoints", "deploys", "drills", "rehearsals", "incidents", "runbooks", "rollbacks"] as const;
export type RecordKind = (typeof recordKinds)[number];

export interface WrittenOnce {
  readonly kind: RecordKind;
  readonly folder: (database: string) => string;
  /** Id of the record that a file below the folder belongs to, by its name there; undefined if it is of another kind. */
  readonly idOf: (name: string) => string | undefined;
  /** Patterns of the names of its files, in the order in which they are published. What fits none does not travel. */
  readonly files: readonly RegExp[];
  /** Without such a file there is no record yet; by default any will do. */
  readonly needs?: RegExp;
  readonly prove: Prove;
}

const json = /^[^/]+\.json(?:\.sig)?$/;
const bare = (name: string): string => name.replace(/\.json(?:\.sig)?$/, "");
const folderOf = (name: string): string => name.split("/", 1)[0] ?? "";
const isDeploy = (name: string): boolean => partsOfDeployedName(bare(name)) !== undefined;

export const writtenOnce: readonly WrittenOnce[] = [
  { kind: "checkpoints", folder: checkpointsFolder, idOf: (name) => (isDeploy(name) ? undefined : bare(name)), files: [json], prove: proveCheckpoint },
  { kind: "deploys", folder: checkpointsFolder, idOf: (name) => (isDeploy(name) ? bare(name) : undefined), files: [json], prove: proveCheckpoint },
  {
    kind: "drills", folder: drillsFolder, idOf: folderOf, prove: proveDrill, needs: /^[^/]+\/evidence\.json$/,
    files: [/^[^/]+\/begun\.json$/, /^[^/]+\/(?:report\.html|report\.md|junit\.xml)$/, /^[^/]+\/reports\.json(?:\.sig)?$/, /^[^/]+\/evidence\.json(?:\.sig)?$/, /^[^/]+\/certification-[0-9a-f]{16}\.json(?:\.sig)?$/],
  },
  { kind: "rehearsals", folder: rehearsalsFolder, idOf: bare, files: [json], prove: proveRehearsal },
  { kind: "runbooks", folder: runbooksFolder, idOf: folderOf, files: [/^[^/]+\/begun\.json(?:\.sig)?$/, /^[^/]+\/journal\/\d{4}\.json$/], prove: proveRunbook },
  { kind: "rollbacks", folder: rollbacksFolder, idOf: folderOf, files: [/^[^/]+\/plan\.json(?:\.sig)?$/, /^[^/]+\/journal\/\d{4}\.json$/, /^[^/]+\/outcome\.json(?:\.sig)?$/], prove: proveRollback },
];

/**
 * The names of one record's files in the order in which they are published: a signature before what it signs. A signature
 * of nothing, which a killed run has left, is none of them.
 * @returns none where there is no record yet
 */
export function inOrder({ files, needs }: WrittenOnce, names: readonly string[]): string[] {
  if (needs !== undefined && !names.some((name) => needs.test(name))) return [];
  const there = new Set(names);
  const stage = (name: string): number => files.findIndex((pattern) => pattern.test(name));
  const signed = (name: string): string => (name.endsWith(signatureSuffix) ? name.slice(0, -signatureSuffix.length) : name);
  return names
    .filter((name) => stage(name) !== -1 && there.has(signed(name)))
    .sort((a, b) => stage(a) - stage(b) || signed(a).localeCompare(signed(b)) || b.length - a.length);
}
