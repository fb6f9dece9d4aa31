/** The ledger as Prisma writes it, with the columns of its own. */
import { createHash } from "node:crypto";

const migrations = [
  ["20241104091500_init", 12],
  ["20241203134210_add_consents", 3],
  ["20250117081544_partition_audit_log", 18],
  ["20250409102030_images_as_bytea", 2],
  ["20250722060102_invoice_numbers", 4],
  ["20251118170905_row_level_security", 6],
] as const;

/** Begun, failed and marked as rolled back before it was corrected and applied: what a real ledger often holds. */
const rolledBack = "20250722060102_invoice_numbers";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const uuid = (text: string): string => sha256(text).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");

/** `20241104091500_init` began at 2024-11-04 09:15:00. */
function startOf(name: string): string {
  return name.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)_.*$/, "$1-$2-$3 $4:$5:$6+00");
}

export function clinicMigrations(): string {
  const rows = migrations.flatMap(([name, seconds]) => {
    const start = `timestamptz '${startOf(name)}'`;
    const failed = name === rolledBack ? [`('${uuid(`failed ${name}`)}', '${sha256(`draft of ${name}`)}', NULL, '${name}', 'relation "clinic.invoices" is locked', ${start} + interval '1 minute', ${start}, 0)`] : [];
    return [...failed, `('${uuid(name)}', '${sha256(name)}', ${start} + interval '${120 + seconds} seconds', '${name}', NULL, NULL, ${start} + interval '2 minutes', 1)`];
  });
  return `
CREATE TABLE public._prisma_migrations (
  id varchar(36) NOT NULL PRIMARY KEY,
  checksum varchar(64) NOT NULL,
  finished_at timestamptz,
  migration_name varchar(255) NOT NULL,
  logs text,
  rolled_back_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(),
  applied_steps_count integer NOT NULL DEFAULT 0
);
INSERT INTO public._prisma_migrations (id, checksum, finished_at, migration_name, logs, rolled_back_at, started_at, applied_steps_count) VALUES
  ${rows.join(",\n  ")};
`;
}
