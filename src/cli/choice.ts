/** How operators say which backup they mean. */
import type { DrillChoice } from "../app/drill/choose-for-drill.ts";
import type { DrillName } from "../app/drill/show-drills.ts";
import type { IncidentName } from "../app/incident/show-incidents.ts";
import type { BackupChoice } from "../catalog/choice.ts";
import { HoldfastError } from "../errors.ts";

/** `latest`, an id, or with `asOf` the newest backup not after an instant. */
export function parseChoice(id: string | undefined, asOf?: string): BackupChoice {
  if (asOf !== undefined) {
    if (id !== undefined) throw new HoldfastError("usage", `both a backup (${id}) and --as-of were given`, { hints: ["Give one of them."] });
    return { asOf: parseInstant(asOf) };
  }
  if (id === undefined) throw new HoldfastError("usage", "no backup was named", { hints: ["Name an id, `latest`, or --as-of TIME; `holdfast backup list` shows what there is."] });
  return id === "latest" ? { latest: true } : { id };
}

/** What a drill tries: the latest unless something else is said, or any backup of the last days. */
export function parseDrillChoice(id: string | undefined, asOf: string | undefined, randomWithin: string | undefined): DrillChoice {
  if (randomWithin === undefined) return id === undefined && asOf === undefined ? { latest: true } : parseChoice(id, asOf);
  if (id !== undefined) throw new HoldfastError("usage", `both a backup (${id}) and --random-within were given`, { hints: ["Give one of them."] });
  const days = /^([1-9]\d{0,3})d$/.exec(randomWithin)?.[1];
  if (days === undefined) throw new HoldfastError("usage", `--random-within ${randomWithin} is not a number of days, as in 30d`);
  return { randomWithinMs: Number(days) * 86_400_000 };
}

/** `latest`, or the id of a drill. */
export function parseDrill(id: string): DrillName {
  return id === "latest" ? { latest: true } : { id };
}

/** `latest`, or the id of an incident. */
export function parseIncident(id: string): IncidentName {
  return id === "latest" ? { latest: true } : { id };
}

/** An instant with its time zone: a guess here would restore another hour's data. */
export function parseInstant(text: string, flag = "as-of"): Date {
  const [, year = "", month = "", day = ""] = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$/i.exec(text) ?? [];
  const date = new Date(text);
  // JavaScript takes the 30th of February for a day in March.
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (year === "" || Number.isNaN(date.getTime()) || Number(day) > lastDay) {
    throw new HoldfastError("usage", `--${flag} ${text} is not an instant with a time zone`, { hints: ["Write it as 2026-11-21T02:00:00Z or 2026-11-21T03:00:00+01:00."] });
  }
  return date;
}
