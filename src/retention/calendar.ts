/** Calendar periods as people in a time zone see them: their days are 23 or 25 hours long when the clocks change. */

/** From the shortest to the longest; a rule keeps one backup of each. */
export const periods = ["hourly", "daily", "weekly", "monthly", "yearly"] as const;
export type Period = (typeof periods)[number];

/** Names the period that an instant lies in: `2026-10-25`, `2026-W43`. Two instants have one name if they lie in one period. */
export type NameOfPeriod = (instant: Date) => string;

const two = (number: number): string => String(number).padStart(2, "0");

interface LocalTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  /** `GMT+02:00`: tells the two hours of an autumn night apart that have the same number. */
  readonly offset: string;
}

/**
 * How a time zone's calendar names its periods.
 * @param timeZone - an IANA name
 * @throws RangeError if this machine does not know it
 */
export function calendar(timeZone: string): Readonly<Record<Period, NameOfPeriod>> {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone, calendar: "gregory", numberingSystem: "latn", hourCycle: "h23", era: "short",
    year: "numeric", month: "numeric", day: "numeric", hour: "numeric", timeZoneName: "longOffset",
  });
  const localTime = (instant: Date): LocalTime => {
    const parts = new Map(format.formatToParts(instant).map(({ type, value }) => [type, value]));
    const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
    return { year: number("year"), month: number("month"), day: number("day"), hour: number("hour"), offset: parts.get("timeZoneName") ?? "" };
  };
  const daily = ({ year, month, day }: LocalTime): string => `${year}-${two(month)}-${two(day)}`;
  return {
    hourly: (instant) => {
      const local = localTime(instant);
      return `${daily(local)} ${two(local.hour)}h ${local.offset}`;
    },
    daily: (instant) => daily(localTime(instant)),
    weekly: (instant) => isoWeek(localTime(instant)),
    monthly: (instant) => daily(localTime(instant)).slice(0, -3),
    yearly: (instant) => String(localTime(instant).year),
  };
}

/** ISO 8601: weeks begin on Monday, and belong to the year in which their Thursday lies. */
function isoWeek({ year, month, day }: LocalTime): string {
  const thursday = new Date(Date.UTC(year, month - 1, day));
  thursday.setUTCDate(thursday.getUTCDate() + 4 - (thursday.getUTCDay() || 7));
  const weekYear = thursday.getUTCFullYear();
  const week = Math.ceil(((thursday.getTime() - Date.UTC(weekYear, 0, 1)) / 86_400_000 + 1) / 7);
  return `${weekYear}-W${two(week)}`;
}
