/** The story of a post-mortem's draft: written from the record, for people to complete. */
import { writeFile } from "node:fs/promises";

import { HoldfastError, messageOf, systemCodeOf } from "../../errors.ts";
import type { Incident } from "../../rollback/incident/incident.ts";
import { renderPostMortem } from "../../rollback/incident/report.ts";
import { redact } from "../../process/redact.ts";
import type { Context } from "../context.ts";
import { inWorkplace } from "../record.ts";
import { findIncident, type IncidentName, subjectOf } from "./find-incident.ts";

export interface ReportOptions {
  readonly incident: IncidentName;
  readonly database?: string | undefined;
  /** File to write, which must not be there. */
  readonly out?: string | undefined;
}

export interface IncidentReport {
  readonly incident: Incident;
  /** Markdown. */
  readonly text: string;
}

/** @throws HoldfastError `not-found`, `usage`, `refused` if the file is there already, `configuration` if it cannot be written */
export async function reportIncident(context: Context, { incident: name, database, out }: ReportOptions): Promise<IncidentReport> {
  const action = { action: "incident report", subject: subjectOf(name, database) };
  return inWorkplace(context, action, async (workplace, subject) => {
    const incident = await findIncident(context, workplace.repository, name, database);
    Object.assign(subject, { incident: incident.id, database: incident.database });
    const text = redact(renderPostMortem(incident));
    if (out !== undefined) await writeNew(out, text);
    return { incident, text };
  });
}

/** People have written into the one that is there. */
async function writeNew(file: string, text: string): Promise<void> {
  await writeFile(file, text, { flag: "wx", mode: 0o600 }).catch((error: unknown) => {
    if (systemCodeOf(error) === "EEXIST") throw new HoldfastError("refused", `${file} is there already, and is not overwritten`, { hints: ["Give another name with --out, or move that file away."] });
    throw new HoldfastError("configuration", `${file} cannot be written: ${messageOf(error)}`, { cause: error });
  });
}
