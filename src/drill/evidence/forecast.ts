/**
 * What the next drill will take, from those before: seconds per byte, times the size that it will have if the growth goes
 * on. Medians throughout, so that one odd drill does not decide. Pure.
 */
import type { Evidence } from "./evidence.ts";

/** A drill that restored a whole backup. */
export interface PastDrill {
  readonly startedAt: Date;
  readonly rtoSeconds: number;
  /** What was restored, before compression. */
  readonly bytes: number;
}

export type Forecast = NonNullable<Evidence["forecast"]>;

export interface ForecastOptions {
  /** When the next drill will be. */
  readonly at: Date;
  readonly objectiveSeconds: number | null;
}

/** Older drills ran on other machines and other data. */
const most = 12;

/** The drill as the forecast counts it; undefined where it ended before everything was restored and looked at. */
export function pastDrill({ startedAt, backup, phases, rto }: Pick<Evidence, "startedAt" | "backup" | "phases" | "rto">): PastDrill | undefined {
  const ran = new Set(phases.map(({ id }) => id));
  return backup !== null && ran.has("restore") && ran.has("checks") ? { startedAt: new Date(startedAt), rtoSeconds: rto.seconds, bytes: backup.plainBytes } : undefined;
}

/**
 * Predicts the next drill's recovery time.
 * @returns null if fewer than two drills tell anything: one has a size, but no growth
 */
export function forecastDrill(past: readonly PastDrill[], { at, objectiveSeconds }: ForecastOptions): Forecast | null {
  const told = past
    .filter(({ rtoSeconds, bytes }) => rtoSeconds > 0 && bytes > 0)
    .toSorted((a, b) => a.startedAt.getTime() - b.startedAt.getTime())
    .slice(-most);
  if (told.length < 2) return null;
  const rate = median(told.map(({ rtoSeconds, bytes }) => rtoSeconds / bytes));
  const bytes = projected(told, at);
  const seconds = Math.round(rate * bytes * 1000) / 1000;
  const missesObjective = objectiveSeconds === null ? null : seconds > objectiveSeconds;
  return { seconds, basedOn: told.length, missesObjective, text: textOf(seconds, bytes, told.length, objectiveSeconds, at) };
}

/** The line through the sizes with the median of all pairs' slopes; never below zero. */
function projected(drills: readonly PastDrill[], at: Date): number {
  const points = drills.map(({ startedAt, bytes }) => ({ days: (startedAt.getTime() - at.getTime()) / 86_400_000, bytes }));
  const slopes = points.flatMap((a, n) => points.slice(n + 1).flatMap((b) => (b.days === a.days ? [] : [(b.bytes - a.bytes) / (b.days - a.days)])));
  const slope = slopes.length === 0 ? 0 : median(slopes);
  return Math.max(0, median(points.map(({ days, bytes }) => bytes - slope * days)));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] = sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : [sorted[middle - 1], sorted[middle]];
  return low + (high - low) / 2;
}

function textOf(seconds: number, bytes: number, drills: number, objective: number | null, at: Date): string {
  const expected = `from the ${drills} drills before, one on ${at.toISOString().slice(0, 10)} should take about ${inWords(seconds)} for ${sizeOf(bytes)}`;
  if (objective === null) return `${expected}; no objective is set`;
  return `${expected}, which ${seconds > objective ? "misses" : "meets"} the objective of ${inWords(objective)}`;
}

function inWords(seconds: number): string {
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}

function sizeOf(bytes: number): string {
  const [unit, name] = ([[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]] as const).find(([least]) => bytes >= least) ?? [1, "bytes"];
  return `${unit === 1 ? Math.round(bytes) : (bytes / unit).toFixed(1)} ${name}`;
}
