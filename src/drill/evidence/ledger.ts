/** Obligations against fulfilment, month by month: what was not done is as visible as what was. Pure: no clock, no store. */
import type { Verdict } from "./evidence.ts";

/** How often a drill has to pass: every so many days, or in every so many calendar months. All months are UTC. */
export type Interval = { readonly days: number } | { readonly months: number };

/** A drill as the ledger counts it. `none`: it ended without a verdict, or still runs; `untrusted`: its evidence cannot be trusted. */
export interface LedgerDrill {
  readonly id: string;
  readonly startedAt: Date;
  readonly verdict: Verdict | "none" | "untrusted";
  /** Who certified it. */
  readonly certifiedBy: readonly string[];
}

export interface LedgerOptions {
  readonly interval: Interval;
  /** From when on drills are owed. */
  readonly start: Date;
  readonly now: Date;
}

export interface LedgerRow {
  /** `2026-11`. */
  readonly month: string;
  /** What was owed in it, in words; null if nothing was. */
  readonly obligation: string | null;
  readonly drills: readonly LedgerDrill[];
  /**
   * `fulfilled`: a drill passed. `missed`: one was owed, and the month is over. `open`: one is owed, and the month is not
   * over. `not-due`: none was owed.
   */
  readonly state: "fulfilled" | "missed" | "open" | "not-due";
  /** Days of this month, begun ones included, on which a passed drill was overdue. */
  readonly gapDays: number;
}

export interface Ledger {
  /** Oldest first, without a gap. */
  readonly rows: readonly LedgerRow[];
  /** By when the next drill has to pass. */
  readonly due: Date;
  /** Whether that is over. */
  readonly overdue: boolean;
}

const day = 86_400_000;

/** A month of UTC as a count, so that months can be added. */
const monthOf = (at: Date): number => at.getUTCFullYear() * 12 + at.getUTCMonth();
const beginOf = (month: number): number => Date.UTC(Math.floor(month / 12), month % 12);
const nameOf = (month: number): string => new Date(beginOf(month)).toISOString().slice(0, 7);

/**
 * Sets drills against what was owed. Only a drill that passed fulfils anything. An interval of a month or less also owes
 * one in every calendar month that is wholly covered, so that no month without a drill goes unseen.
 */
export function ledgerOf(drills: readonly LedgerDrill[], { interval, start, now }: LedgerOptions): Ledger {
  const ordered = drills.toSorted((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
  const passes = ordered.filter(({ verdict }) => verdict === "pass").map(({ startedAt }) => startedAt.getTime());
  const dueAfter = (pass: number | undefined): number => Math.max(firstDue(interval, start), pass === undefined ? 0 : nextDue(interval, pass));
  const dueAt = (instant: number): number => dueAfter(passes.findLast((pass) => pass <= instant));
  const monthly = "days" in interval ? interval.days <= 31 : interval.months === 1;

  const months = ordered.map(({ startedAt }) => monthOf(startedAt));
  const first = Math.min(monthOf(start), ...months);
  const last = Math.max(monthOf(now), ...months);
  const rows: LedgerRow[] = [];
  for (let month = first; month <= last; month += 1) {
    const [begin, end] = [beginOf(month), beginOf(month + 1)];
    const inside = ordered.filter(({ startedAt }) => monthOf(startedAt) === month);
    const passed = inside.some(({ verdict }) => verdict === "pass");
    const over = end <= now.getTime();
    // What falls due at the very end of a month is owed in it.
    const owed = (monthly && begin >= start.getTime()) || dueAt(begin - 1) <= end;
    const gap = overdueBetween(begin, Math.min(end, now.getTime()), passes, dueAt);
    rows.push({
      month: nameOf(month),
      obligation: owed ? obligationOf(interval) : null,
      drills: inside,
      state: passed ? "fulfilled" : !owed ? "not-due" : over ? "missed" : "open",
      gapDays: Math.ceil(gap / day),
    });
  }
  const due = dueAt(now.getTime());
  return { rows, due: new Date(due), overdue: due <= now.getTime() };
}

/** A pass in the last months of one period fulfils that; the next is owed by the end of the period after it. */
function nextDue(interval: Interval, pass: number): number {
  return "days" in interval ? pass + interval.days * day : beginOf(monthOf(new Date(pass)) + interval.months + 1);
}

function firstDue(interval: Interval, start: Date): number {
  return "days" in interval ? start.getTime() + interval.days * day : beginOf(monthOf(start) + interval.months);
}

function obligationOf(interval: Interval): string {
  if ("days" in interval) return interval.days === 1 ? "a passed drill every day" : `a passed drill every ${interval.days} days`;
  return interval.months === 1 ? "a passed drill every month" : `a passed drill every ${interval.months} months`;
}

/** Milliseconds between two instants in which a drill was overdue. */
function overdueBetween(begin: number, end: number, passes: readonly number[], dueAt: (instant: number) => number): number {
  let [sum, from] = [0, begin];
  for (const until of [...passes.filter((pass) => pass > begin && pass < end), end]) {
    if (until > from) sum += Math.max(0, until - Math.max(from, dueAt(from)));
    from = until;
  }
  return sum;
}
