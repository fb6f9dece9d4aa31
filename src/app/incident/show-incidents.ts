/** Looking at incidents: nothing here changes anything. */
import { type Incident, listIncidents } from "../../rollback/incident/incident.ts";
import { type Context, databaseNamed, openWorkplace } from "../context.ts";
import { findIncident, type IncidentName } from "./find-incident.ts";

/** The incidents of a database, newest first, also those of which something cannot be trusted. */
export async function listDatabaseIncidents(context: Context, database?: string): Promise<Incident[]> {
  const { name } = databaseNamed(context.config, database);
  const workplace = await openWorkplace(context);
  try {
    return await listIncidents(workplace.repository, name);
  } finally {
    await workplace.close();
  }
}

/**
 * One incident, with what cannot be trusted of it told beside the rest.
 * @throws HoldfastError `usage` if what was named is no id, `not-found` if there is none
 */
export async function showIncident(context: Context, incident: IncidentName, database?: string): Promise<Incident> {
  const workplace = await openWorkplace(context);
  try {
    return await findIncident(context, workplace.repository, incident, database);
  } finally {
    await workplace.close();
  }
}

export type { Incident, IncidentName };
