/** What a rollback tells the incident's record as it goes. A record that cannot be written does not stop a rollback: it is warned of. */
import type { Signer } from "../../catalog/signatures.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import type { Health } from "../../rollback/health/health.ts";
import type { RollbackOutcome } from "../../rollback/plan/outcome.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import type { Context, Workplace } from "../context.ts";

export interface IncidentPen {
  /** Id of the incident; null where none could be opened. */
  readonly incident: string | null;
  resumed(how: string): Promise<void>;
  failed(error: unknown): Promise<void>;
  ended(outcome: RollbackOutcome["outcome"], message: string, healthAfter: Health | null): Promise<void>;
}

export interface Occasion {
  readonly id: string;
  readonly plan: RollbackPlan;
  readonly reason: string | undefined;
}

export function openIncidentOf(context: Context, workplace: Workplace, database: DatabaseConfig, occasion: Occasion, signer: Signer): Promise<IncidentPen> {
  void occasion;
  return Promise.resolve(incidentPen(context, workplace, database.name, null, signer));
}

export function incidentPen(context: Context, workplace: Workplace, database: string, incident: string | null, signer: Signer): IncidentPen {
  void [context, workplace, database, signer];
  return { incident, resumed: () => Promise.resolve(), failed: () => Promise.resolve(), ended: () => Promise.resolve() };
}
