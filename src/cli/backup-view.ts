/** A backup as `--json` shows it and as a row or a page for people. */
import type { Manifest } from "../catalog/manifest.ts";
import { formatBytes, formatCount } from "../text/format.ts";
import { renderTable } from "./table.ts";

/** The shape that `backup`, `backup list` and `backup show` share. */
export interface BackupJson {
  readonly id: string;
  readonly database: string;
  readonly label: string | null;
  readonly snapshotAt: string;
  readonly parts: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  /** Stored bytes of all parts. */
  readonly bytes: number;
  /** From start to publication. */
  readonly seconds: number;
}

export function backupJson(manifest: Pick<Manifest, "id" | "database" | "label" | "snapshotAt" | "startedAt" | "finishedAt" | "parts">): BackupJson {
  return {
    id: manifest.id,
    database: manifest.database,
    label: manifest.label,
    snapshotAt: manifest.snapshotAt,
    parts: manifest.parts.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
    bytes: manifest.parts.reduce((sum, part) => sum + part.bytes, 0),
    seconds: (Date.parse(manifest.finishedAt) - Date.parse(manifest.startedAt)) / 1000,
  };
}

/** Rows of all tables of a backup. */
export function rowsOf(manifest: Manifest): number {
  return manifest.truth.tables.reduce((sum, table) => sum + (table.rows ?? 0), 0);
}

export function renderBackup(manifest: Manifest, options: { tables: boolean }): string {
  const { truth, source } = manifest;
  const facts: [string, string][] = [
    ["id", manifest.id],
    ["database", `${manifest.database} (${source.database} on PostgreSQL ${source.server})`],
    ["snapshot", manifest.snapshotAt],
    ["label", manifest.label ?? "-"],
    ["reason", manifest.reason ?? "-"],
    ["made by", `${manifest.createdBy.user}@${manifest.createdBy.host}, holdfast ${manifest.createdBy.holdfast}, pg_dump ${source.client}`],
    ["signed by", manifest.signer],
    ["opens with", manifest.encryption.keyRecipients.join("\n")],
    ["holds", `${formatCount(truth.tables.length)} tables, ${formatCount(rowsOf(manifest))} rows, ${formatCount(truth.sequences.length)} sequences, ${formatCount(truth.largeObjects.count)} large objects${manifest.partial ? " (partial: a filter left something out)" : ""}`],
    ["extensions", truth.extensions.map(({ name, version }) => `${name} ${version}`).join(", ") || "-"],
    ["migrations", truth.migrations.map(({ tool, head, count }) => `${tool}: ${formatCount(count)}, head ${head ?? "none"}`).join("; ") || "-"],
    ["application", truth.application?.version ?? "-"],
    ["schema", truth.schema.fingerprint],
  ];
  const parts = renderTable(["part", "stored", "plain", "sha256"], manifest.parts.map((part) => [part.name, formatBytes(part.bytes), formatBytes(part.plainBytes), part.sha256]), [1, 2]);
  const sections = [facts.map(([name, value]) => `${name.padEnd(12)}${value.replaceAll("\n", `\n${" ".repeat(12)}`)}`).join("\n"), parts];
  if (options.tables) {
    sections.push(renderTable(["table", "kind", "rows", "digest"], truth.tables.map((table) => [`${table.schema}.${table.name}`, table.kind, table.rows === undefined ? "-" : formatCount(table.rows), table.digest ?? "-"]), [2]));
  }
  return sections.join("\n\n");
}
