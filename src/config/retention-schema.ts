/** The part of the configuration's schema that is about retention, and what becomes of it. */
import * as z from "zod";

import { isTimeZone } from "../time-zone.ts";
import { day, field, mapRule, measure, oneOf, text, whole } from "./kinds.ts";
import { type LabelRetention, type RetentionSettings, verifiedLevels } from "./retention-settings.ts";
import { parseDuration } from "./units.ts";

const most = 100_000;
const century = 36_500 * day;
const count = () => whole(0, most).default(0);
const span = () => measure(parseDuration, "must be a duration from 0s to 36500d with its unit, as in 12h or 90d", 0, century);
const zone = () => text().refine(isTimeZone, "must be an IANA time zone that this machine knows, like Europe/Berlin or UTC");
const keepsNothing = "every rule is 0, so nothing would be kept; set keepLast, keepWithin, hourly, daily, weekly, monthly or yearly, or leave the retention out: then nothing is ever removed";

const counts = { keepLast: count(), hourly: count(), daily: count(), weekly: count(), monthly: count(), yearly: count() };
const rules = { ...counts, keepWithin: span().default(0) };

function refuseNothing(given: z.output<z.ZodObject<typeof rules>>, context: z.RefinementCtx): void {
  if (Object.keys(rules).every((rule) => given[rule as keyof typeof rules] === 0)) context.addIssue({ code: "custom", message: keepsNothing });
}

const label = z.strictObject({
  ...rules,
  timeZone: zone().optional(), minimumAge: span().optional(), minimumCount: whole(0, most).optional(), requireVerified: oneOf(...verifiedLevels).optional(),
}, { error: mapRule }).superRefine(refuseNothing);

const number = { type: `0 to ${most}`, kind: "number" } as const;

/** The newest of each of the last so many periods. */
function periods(name: string, example: string) {
  return field(count(), `The newest backup of each of the last so many ${name} in which there is one.`, { ...number, example });
}

export const retentionSchema = z.strictObject({
  keepLast: field(count(), "The newest so many are kept.", { ...number, example: "7" }),
  keepWithin: field(span().default(0), "All are kept that are not older than this, counted back from the newest: when backups stop, none ages out.", { type: "duration", example: "14d", defaultText: "0", at: "keepWithinMs" }),
  hourly: periods("hours", "24"),
  daily: periods("days", "14"),
  weekly: periods("weeks (from Monday)", "8"),
  monthly: periods("months", "12"),
  yearly: periods("years", "7"),
  timeZone: field(zone().default("UTC"), "The time zone whose days, weeks, months and years are meant.", { type: "IANA name", example: "Europe/Berlin" }),
  minimumAge: field(span().default(90 * day), "Nothing younger is removed, whatever the rules say.", { type: "duration", example: "30d", defaultText: "90d", at: "minimumAgeMs" }),
  minimumCount: field(whole(0, most).default(3), "The newest so many that count are never removed.", { ...number, example: "5" }),
  requireVerified: field(oneOf(...verifiedLevels).optional(), "Only backups count that `backup verify` has passed at this level or a deeper one, or that a drill has proved.", { type: "stat, hash or archive", example: "hash", defaultText: "all count that did not fail verification" }),
  labels: field(
    z.record(text(), label, { error: mapRule }).default({}),
    "Rules of their own for backups with a label, which are then counted apart: a map from label to the keys above, as `pre-deploy: { keepLast: 10, minimumAge: 14d }`. Rules that it does not name are 0; the other keys are the database's.",
    { type: "map of labels", env: false, example: "" },
  ),
  prune: field(oneOf("after-backup", "never").default("after-backup"), "Whether `backup` prunes when it has succeeded.", { type: "after-backup or never", example: "never" }),
}, { error: mapRule }).superRefine(refuseNothing);

export function retentionSettings({ keepWithin, minimumAge, requireVerified, labels, prune, ...rest }: z.output<typeof retentionSchema>): RetentionSettings {
  const own: LabelRetention = { ...rest, keepWithinMs: keepWithin, minimumAgeMs: minimumAge, requireVerified: requireVerified ?? null };
  const labelled = Object.entries(labels).map(([name, given]): [string, LabelRetention] => {
    const { keepWithin: within, minimumAge: age, ...others } = given;
    return [name, {
      ...others, keepWithinMs: within,
      timeZone: given.timeZone ?? own.timeZone, minimumAgeMs: age ?? own.minimumAgeMs, minimumCount: given.minimumCount ?? own.minimumCount, requireVerified: given.requireVerified ?? own.requireVerified,
    }];
  });
  return { ...own, labels: Object.fromEntries(labelled), prune };
}
