/** What people add to an incident: notes while it lasts and after, and its end. */
import { HoldfastError } from "../../errors.ts";
import { appendIncident, type Incident, type IncidentNote, recordsIn } from "../../rollback/incident/incident.ts";
import { limits } from "../../rollback/incident/texts.ts";
import { type Context, requireSigner } from "../context.ts";
import { inWorkplace } from "../record.ts";
import { findIncident, type IncidentName, subjectOf } from "./find-incident.ts";

export interface NoteOptions {
  readonly incident: IncidentName;
  readonly database?: string | undefined;
  readonly text: string;
}

/** @throws HoldfastError `usage` for a text that is empty or too long, `not-found` */
export async function noteIncident(context: Context, { incident, database, text }: NoteOptions): Promise<Incident> {
  requireText(text, "text");
  return append(context, "incident note", incident, database, text, { kind: "note", text });
}

export interface CloseOptions {
  readonly incident: IncidentName;
  readonly database?: string | undefined;
  /** How it was resolved. */
  readonly resolution: string;
}

/** @throws HoldfastError `usage` for a text that is empty or too long, `not-found`, `refused` if it is closed already */
export async function closeIncident(context: Context, { incident, database, resolution }: CloseOptions): Promise<Incident> {
  requireText(resolution, "resolution");
  return append(context, "incident close", incident, database, resolution, { kind: "closed", resolution });
}

type Said = Extract<IncidentNote, { kind: "note" | "closed" }> extends infer T ? (T extends unknown ? Omit<T, "at" | "by"> : never) : never;

async function append(context: Context, action: string, incident: IncidentName, database: string | undefined, reason: string, said: Said): Promise<Incident> {
  const deed = { action, subject: subjectOf(incident, database), reason };
  return inWorkplace(context, deed, async (workplace, subject) => {
    const now = context.clock.now();
    const signer = await requireSigner(context.config, "incident", now);
    const { id, database: owner } = await findIncident(context, workplace.repository, incident, database);
    Object.assign(subject, { incident: id, database: owner });
    const { user, host, operator } = context.actor;
    const written = await appendIncident(workplace.repository, signer, id, { ...said, at: now.toISOString(), by: { user, host, operator } });
    subject["records"] = String(recordsIn(written));
    return written;
  });
}

/** What a program says is cut; a person is asked to say it in fewer words. */
function requireText(text: string, name: "text" | "resolution"): void {
  const most = limits[name] ?? 0;
  if (text.trim() === "") throw new HoldfastError("usage", `the ${name} is empty`);
  if (text.length > most) throw new HoldfastError("usage", `the ${name} has ${text.length} characters, but may have ${most}`, { hints: ["Put the long version where your team keeps its documents, and name that place here."] });
}
