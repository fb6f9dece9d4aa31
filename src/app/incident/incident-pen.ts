/** What a rollback tells the incident's record as it goes. A record that cannot be written does not stop a rollback: it is warned of. */
import { recordId } from "../../catalog/layout.ts";
import type { Signer } from "../../catalog/signatures.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { messageOf } from "../../errors.ts";
import type { Health } from "../../rollback/health/health.ts";
import { appendIncident, type IncidentNote, openIncident, recordsIn } from "../../rollback/incident/incident.ts";
import { summaryOfPlan } from "../../rollback/incident/plan-summary.ts";
import type { JournalEntry } from "../../rollback/journal/journal.ts";
import type { RollbackOutcome } from "../../rollback/plan/outcome.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import type { Context, Workplace } from "../context.ts";

export interface IncidentPen {
  /** Id of the incident; null where none could be opened. */
  readonly incident: string | null;
  /** For the timeline: the incident and how many records it has, as far as they are known. */
  told(): { readonly incident?: string; readonly records?: string };
  resumed(how: string): Promise<void>;
  /** What this run did, as its journal says. */
  ran(entries: readonly JournalEntry[], titles: ReadonlyMap<string, string>): Promise<void>;
  failed(error: unknown): Promise<void>;
  ended(outcome: RollbackOutcome["outcome"], message: string, healthAfter: Health | null): Promise<void>;
}

/** What an incident is opened for. */
export interface Occasion {
  readonly title: string;
  /** Ids: of the rollback, or of the runbook that is executed. */
  readonly rollback?: string;
  readonly runbook?: string;
  /** In place of the configured one. */
  readonly severity?: string;
  readonly plan?: RollbackPlan;
}

/** Every rollback and every execution of a runbook opens an incident. */
export async function openIncidentOf(context: Context, workplace: Workplace, database: DatabaseConfig, occasion: Occasion, signer: Signer): Promise<IncidentPen> {
  const settings = database.rollback;
  const { clock, ids, actor: { user, host, operator } } = context;
  const at = clock.now();
  const incident = recordId("incident", database.name, at, ids.suffix());
  try {
    await openIncident(workplace.repository, signer, incident, {
      at: at.toISOString(), by: { user, host, operator }, title: occasion.title,
      severity: occasion.severity ?? settings?.severity ?? "SEV-2", stakeholders: [...(settings?.stakeholders ?? [])],
      rollback: occasion.rollback ?? null, runbook: occasion.runbook ?? null,
      plan: occasion.plan === undefined ? null : summaryOfPlan(occasion.plan), health: occasion.plan?.now.health ?? null,
    });
    return incidentPen(context, workplace, incident, signer);
  } catch (error) {
    warn(context, error);
    return incidentPen(context, workplace, null, signer);
  }
}

type Said<T> = T extends unknown ? Omit<T, "at" | "by"> : never;

export function incidentPen(context: Context, { repository }: Workplace, incident: string | null, signer: Signer): IncidentPen {
  const { clock, actor: { user, host, operator } } = context;
  let records: number | undefined;
  const write = async (note: Said<IncidentNote>, at = clock.now().toISOString(), by = { user, host, operator }): Promise<void> => {
    if (incident === null) return;
    await appendIncident(repository, signer, incident, { ...note, at, by }).then((written) => { records = recordsIn(written); }, (error: unknown) => { warn(context, error); });
  };
  return {
    incident,
    told: () => (incident === null || records === undefined ? {} : { incident, records: String(records) }),
    resumed: (how) => write({ kind: "note", text: how }),
    ran: async (entries, titles) => {
      for (const entry of entries) {
        const note = stepNote(entry, titles);
        if (note !== undefined) await write(note, entry.at, { user: entry.by.user, host: entry.by.host, operator: entry.by.operator });
      }
    },
    failed: (error) => write({ kind: "outcome", outcome: "failed", message: messageOf(error) }),
    ended: async (outcome, message, healthAfter) => {
      if (healthAfter !== null) await write({ kind: "health", when: "after", health: healthAfter });
      await write({ kind: "outcome", outcome: outcome === "left" ? "failed" : outcome, message });
    },
  };
}

function stepNote(entry: JournalEntry, titles: ReadonlyMap<string, string>): Said<IncidentNote> | undefined {
  if (entry.kind !== "step-done" && entry.kind !== "step-failed" && entry.kind !== "undo-done" && entry.kind !== "undo-failed") return undefined;
  const outcome = entry.kind === "step-done" ? "done" : entry.kind === "undo-done" ? "taken-back" : "failed";
  const detail = "message" in entry ? entry.message : Object.entries(entry.facts).map(([name, value]) => `${name} ${String(value)}`).join(", ");
  return { kind: "step", step: entry.step, title: titles.get(entry.step) ?? entry.step, outcome, detail: detail === "" ? null : detail };
}

function warn({ reporter }: Context, error: unknown): void {
  reporter.emit({ type: "note", level: "warn", message: `the incident's record could not be written: ${messageOf(error)}` });
}
