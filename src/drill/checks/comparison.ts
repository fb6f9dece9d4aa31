/** The comparison of a restored copy with the truth, as the separate checks that an auditor reads. */
import type { Difference } from "../../postgres/truth/difference.ts";
import type { TableTruth, Truth } from "../../postgres/truth/truth.ts";
import { counted } from "../../text/format.ts";
import type { Finding } from "./check.ts";
import type { PlannedCheck } from "../journal.ts";

export interface CopyComparison {
  readonly expected: Truth;
  readonly differences: readonly Difference[];
  readonly tables: readonly TableTruth[];
  /** Of the source's catalog; 0 if definitions were not compared. */
  readonly objects: number;
}

interface ComparisonCheck extends PlannedCheck {
  readonly concerns: (difference: Difference) => boolean;
  /** How much of it there was to compare. */
  readonly compared: (comparison: CopyComparison) => number;
  /** One of them. */
  readonly unit: string;
  /** Why nothing of it can be compared, where there is nothing. */
  readonly nothing: string;
}

/** Kinds of catalog entries that say to whom something belongs or is granted. */
const grantKinds: readonly string[] = ["owner", "acl", "column-acl", "default-privileges", "database-acl"];
const isGrant = ({ object }: Difference): boolean => grantKinds.includes(object.slice(0, object.indexOf(" ")));

/** How many entries of the source's catalog are grants, or are not; none where definitions were not compared. */
function entries({ expected, objects }: CopyComparison, ofGrants: boolean): number {
  if (objects === 0) return 0;
  return Object.entries(expected.schema.kinds).reduce((sum, [kind, { count }]) => (grantKinds.includes(kind) === ofGrants ? sum + count : sum), 0);
}

export const comparisonChecks: readonly ComparisonCheck[] = [
  {
    id: "rows", title: "Every table has exactly the rows that were counted in the dump's snapshot", unit: "table",
    concerns: ({ what }) => what === "rows" || what === "table", compared: ({ tables }) => tables.length, nothing: "the database had no tables",
  },
  {
    id: "digests", title: "The content of the digested tables is the same", unit: "table",
    concerns: ({ what }) => what === "digest", compared: ({ tables }) => tables.filter(({ digest }) => digest !== undefined).length,
    nothing: "no content digests were recorded with the backup; configure digests to have them",
  },
  { id: "sequences", title: "Every sequence stands where it stood", unit: "sequence", concerns: ({ what }) => what === "sequence", compared: ({ expected }) => expected.sequences.length, nothing: "the database had no sequences" },
  { id: "large-objects", title: "Every large object is there", unit: "large object", concerns: ({ what }) => what === "large-objects", compared: ({ expected }) => expected.largeObjects.count, nothing: "the database had no large objects" },
  { id: "schema", title: "Every definition is the same: tables, columns, indexes, constraints, functions, policies", unit: "definition", concerns: (difference) => difference.what === "schema" && !isGrant(difference), compared: (comparison) => entries(comparison, false), nothing: "the backup is partial, so its definitions were not compared as a whole" },
  { id: "grants", title: "Owners and grants are the same, and every role could be restored", unit: "definition", concerns: (difference) => difference.what === "schema" && isGrant(difference), compared: (comparison) => entries(comparison, true), nothing: "the backup is partial, so its owners and grants were not compared as a whole" },
  { id: "extensions", title: "Every extension is there", unit: "extension", concerns: ({ what }) => what === "extension", compared: ({ expected }) => expected.extensions.length, nothing: "the database had no extensions" },
  { id: "collations", title: "Encoding, locale and collations are the same", unit: "setting", concerns: ({ what }) => what === "collation" || what === "encoding" || what === "locale", compared: ({ expected }) => 2 + expected.collations.length, nothing: "" },
  { id: "migrations", title: "The migration ledger is the same", unit: "ledger", concerns: ({ what }) => what === "migration", compared: ({ expected }) => expected.migrations.length, nothing: "the database had no migration ledger that is known here" },
  { id: "surroundings", title: "The server's version and settings do not change what the data mean", unit: "setting", concerns: ({ what }) => what === "server" || what === "setting" || what === "application", compared: ({ expected }) => Object.keys(expected.server.settings).length, nothing: "no settings were recorded" },
];

const shown = 10;

/** What one of the checks finds in the comparison. */
export function findingOf(check: ComparisonCheck, comparison: CopyComparison): Finding {
  const concerned = comparison.differences.filter(check.concerns);
  const wrong = concerned.filter(({ severity }) => severity === "differs");
  const compared = check.compared(comparison);
  if (wrong.length > 0) return { outcome: "fail", compared, detail: `${counted(wrong.length, "difference")}: ${listed(wrong)}` };
  if (compared === 0) return { outcome: "left-out", compared, detail: check.nothing };
  const rows = check.id === "rows" ? `, ${counted(comparison.tables.reduce((sum, table) => sum + (table.rows ?? 0), 0), "row")}` : "";
  const notes = concerned.length > 0 ? `; not the same, without being wrong: ${listed(concerned)}` : "";
  return { outcome: "pass", compared, detail: `${counted(compared, check.unit)}${rows} equal${notes}` };
}

function listed(differences: readonly Difference[]): string {
  const lines = differences.slice(0, shown).map(({ what, object, expected, found }) => `${what} ${object}: expected ${expected}, found ${found}`);
  return [...lines, ...(differences.length > shown ? [`and ${differences.length - shown} more`] : [])].join("; ");
}

/** Whether a backup's truth has anything to compare a copy with; without it a drill would prove nothing. */
export function comparesSomething(expected: Truth): boolean {
  return expected.tables.some(({ rows }) => rows !== undefined);
}
