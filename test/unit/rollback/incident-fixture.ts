import type { IncidentOpening } from "../../../src/rollback/incident/incident.ts";

export const incidentId = "incident-ehr-20261121T020000Z-7f3a";

/** What a rollback of a bad migration would say when it opens its incident. */
export const opening: IncidentOpening = {
  at: "2026-11-21T02:00:00.000Z",
  by: { user: "ann", host: "db1", operator: "dr.lee@clinic.example" },
  severity: "sev1",
  title: "release 1.4.2 cannot read its patients",
  stakeholders: ["clinic lead", "on-call engineer"],
  rollback: "rollback-ehr-20261121T020000Z-7f3a",
  runbook: null,
  plan: {
    strategy: "restore-and-swap", because: "migration 20261121_drop_notes took a column away", from: "1.4.2", to: "1.4.1", checkpoint: "1.4.2-20261121T010000Z", backup: "ehr-20261121T010000Z-7f3a",
    snapshotAt: "2026-11-21T01:00:00.000Z", migrations: ["20261121_drop_notes"],
    stops: { workloads: ["app", "worker"], seconds: 71, basis: "the last drill's restore of 61 s, and 10 s for the swap" },
    loss: { data: true, minutes: 60, tables: [{ table: "public.visits", inserted: 12, difference: 12, by: "sequence" }, { table: "public.notes", inserted: null, difference: null, by: "gone" }] },
  },
  health: { url: "http://127.0.0.1:8080/api/health", healthy: false, detail: "status 503, status=unhealthy", version: "1.4.2", at: "2026-11-21T01:59:58.000Z" },
};

export const by = { user: "ann", host: "db1", operator: null };
