/** Whether the ConfigMaps and Secrets that the target reads are those that it read. */
import type { PreflightFinding } from "../../finding.ts";
import type { PlatformState } from "../platform.ts";
import type { Kubectl } from "./kubectl.ts";
import type { RecordedWorkload } from "./record.ts";
import { lookAtSetting, settingsOf } from "./settings.ts";

export async function settingsFinding(kubectl: Kubectl, target: PlatformState, workloads: readonly RecordedWorkload[], signal: AbortSignal): Promise<PreflightFinding> {
  const title = "ConfigMaps and Secrets are as they were";
  const needed = settingsOf(workloads.map(({ record }) => record.template));
  const looks = await Promise.all(
    needed.map(async (setting) => ({ setting, look: await lookAtSetting(kubectl, setting, signal), known: target.settings.find(({ kind, name }) => kind === setting.kind && name === setting.name) })),
  );
  const clauses = { missing: [] as string[], changed: [] as string[], unknown: [] as string[] };
  for (const { setting, look, known } of looks) {
    const name = `${setting.kind} ${setting.name}`;
    if (look.state === "missing") {
      if (!setting.optional) clauses.missing.push(`${name} is not there`);
      else if (known !== undefined) clauses.changed.push(`${name} was removed`);
    } else if (look.state === "unreadable" || known === undefined) clauses.unknown.push(`${name} cannot be compared`);
    else if (look.sha256 !== known.sha256) clauses.changed.push(`${name} was changed, or made anew`);
  }
  const detail = [...clauses.missing, ...clauses.changed, ...clauses.unknown].join("; ");
  if (clauses.missing.length > 0) {
    return { id: "settings", title, outcome: "blocked", detail, hint: "Apply them again as the checkpoint's release had them: its pods cannot start without." };
  }
  if (detail === "") return { id: "settings", title, outcome: "ok", detail: needed.length === 0 ? "the target reads none" : needed.map(({ kind, name }) => `${kind} ${name}`).join(", ") };
  return { id: "settings", title, outcome: "warn", detail, hint: "A rollback brings back templates and not what they refer to: see whether the previous release can live with these, or apply them as they were." };
}
