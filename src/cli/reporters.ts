/**
 * How events are shown, on stderr; stdout is data. In a terminal: listr2, with live figures. Without one: a plain line
 * for each event that matters. With --log-format json: every event as one JSON line.
 */
import type { Event, Reporter } from "../ports.ts";
import { redact } from "../process/redact.ts";
import { formatBytes, formatSeconds, readable } from "./format.ts";

export interface ReporterChoice {
  readonly format: "text" | "json";
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly terminal: boolean;
}

export interface ClosableReporter extends Reporter {
  /** Waits until everything is drawn; nothing is shown afterwards. */
  close(): Promise<void>;
}

export async function chooseReporter(choice: ReporterChoice, write: (line: string) => void, now: () => Date): Promise<ClosableReporter> {
  if (choice.format === "json") return jsonReporter(write, now, choice.verbose);
  if (choice.terminal && !choice.quiet && !choice.verbose) {
    const { terminalReporter } = await import("./terminal-reporter.ts");
    return terminalReporter(write);
  }
  return lineReporter(choice, write, now);
}

/** Every event, with its time, as one JSON line; progress at most once a second for each step. */
export function jsonReporter(write: (line: string) => void, now: () => Date, verbose: boolean): ClosableReporter {
  const due = throttle(now, 1_000);
  return {
    emit: (event) => {
      if (event.type === "progress" && !due(event.step)) return;
      if (event.type === "note" && event.level === "debug" && !verbose) return;
      write(redact(JSON.stringify({ time: now().toISOString(), ...event })));
    },
    close: () => Promise.resolve(),
  };
}

/** One line an event, for logs and pipes. */
export function lineReporter(choice: Pick<ReporterChoice, "quiet" | "verbose">, write: (line: string) => void, now: () => Date): ClosableReporter {
  const titles = new Map<string, string>();
  const started = new Map<string, Date>();
  const due = throttle(now, choice.verbose ? 1_000 : 10_000);
  const line = (event: Event): string | undefined => {
    switch (event.type) {
      case "plan":
        for (const { id, title } of event.steps) titles.set(id, title);
        return undefined;
      case "step-started":
        started.set(event.step, now());
        return choice.verbose ? `${titles.get(event.step) ?? event.step}…` : undefined;
      case "progress":
        return due(event.step) ? `${titles.get(event.step) ?? event.step}: ${describeProgress(event, started.get(event.step), now())}` : undefined;
      case "step-finished":
        return `${titles.get(event.step) ?? event.step}: done${event.detail === undefined ? "" : `, ${readable(event.detail)}`}`;
      case "step-skipped":
        return `${titles.get(event.step) ?? event.step}: skipped, ${event.why}`;
      case "step-failed":
        return `${titles.get(event.step) ?? event.step}: failed`;
      case "note":
        if (event.level === "debug" && !choice.verbose) return undefined;
        return event.level === "warn" ? `warning: ${event.message}` : event.message;
    }
  };
  return {
    emit: (event) => {
      if (choice.quiet && !(event.type === "note" && event.level === "warn")) return;
      const text = line(event);
      if (text !== undefined) write(redact(text));
    },
    close: () => Promise.resolve(),
  };
}

/** `512 MB of about 1.9 GB, 133 MB/s, 11 s left`. */
export function describeProgress(event: { bytes: number; total?: number }, since: Date | undefined, at: Date): string {
  const seconds = since === undefined ? 0 : (at.getTime() - since.getTime()) / 1000;
  const rate = seconds > 0 ? event.bytes / seconds : 0;
  const left = event.total !== undefined && rate > 0 && event.total > event.bytes ? (event.total - event.bytes) / rate : undefined;
  return [
    formatBytes(event.bytes) + (event.total === undefined ? "" : ` of about ${formatBytes(event.total)}`),
    ...(rate > 0 ? [`${formatBytes(rate)}/s`] : []),
    ...(left === undefined ? [] : [`${formatSeconds(left)} left`]),
  ].join(", ");
}

/** Says for each key whether `interval` milliseconds have passed since it last said so; not at the first call. */
function throttle(now: () => Date, interval: number): (key: string) => boolean {
  const last = new Map<string, number>();
  return (key) => {
    const time = now().getTime();
    const before = last.get(key);
    if (before === undefined) last.set(key, time);
    if (before === undefined || time - before < interval) return false;
    last.set(key, time);
    return true;
  };
}
