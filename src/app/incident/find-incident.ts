/** The incident that is meant, looked for where it is written. */
import { databaseOfRecordId } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { type Incident, listIncidents, readIncident } from "../../rollback/incident/incident.ts";
import { type Context, databaseNamed } from "../context.ts";

/** An incident that is meant: an id, or the one that was opened last. */
export type IncidentName = { readonly id: string } | { readonly latest: true };

/** @throws HoldfastError `usage` or `not-found` */
export async function findIncident(context: Context, repository: Repository, incident: IncidentName, database?: string): Promise<Incident> {
  if ("id" in incident) return readIncident(repository, incident.id);
  const { name } = databaseNamed(context.config, database);
  const [latest] = await listIncidents(repository, name);
  if (latest) return latest;
  throw new HoldfastError("not-found", `no incident of ${name} in ${repository.store.url}`, { hints: ["Every rollback opens one; `holdfast incident list` shows what there is."] });
}

/** What is known of the incident before it was looked for, for the timeline. */
export function subjectOf(incident: IncidentName, database?: string): { database?: string; incident?: string } {
  const name = "id" in incident ? databaseOfRecordId("incident", incident.id) : database;
  return { ...(name !== undefined && { database: name }), ...("id" in incident && { incident: incident.id }) };
}
