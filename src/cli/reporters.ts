/**
 * How events are shown, on stderr; stdout is data. In a terminal: listr2, with live figures. Without one: a plain line
 * for each event that matters. With --log-format json: every event as one JSON line.
 */
import { isatty } from "node:tty";

import type { Event, Reporter, Step } from "../ports.ts";
import { redact } from "../process/redact.ts";
import { formatBytes, formatSeconds, printable, readable } from "../text/format.ts";

export interface ReporterChoice {
  readonly format: "text" | "json";
  readonly quiet: boolean;
  readonly verbose: boolean;
}

export interface ClosableReporter extends Reporter {
  /** Waits until everything is drawn; nothing is drawn over afterwards. May be called again. */
  close(): Promise<void>;
}

/** One that makes room for a question: what was drawn stays, and what is told afterwards is drawn anew below. */
export interface PausableReporter extends ClosableReporter {
  pause(): Promise<void>;
}

export async function chooseReporter(choice: ReporterChoice, stream: NodeJS.WriteStream & { readonly fd: number }, now: () => Date): Promise<PausableReporter> {
  const write = (line: string): void => { stream.write(`${line}\n`); };
  if (choice.format === "json") return steady(jsonReporter(choice, write, now));
  if (isatty(stream.fd) && process.env["TERM"] !== "dumb" && !choice.quiet && !choice.verbose) {
    const { terminalReporter } = await import("./terminal-reporter.ts");
    return pausable(() => terminalReporter(stream, now));
  }
  return steady(lineReporter(choice, write, now));
}

/** Lines are drawn once and for all. */
function steady(reporter: ClosableReporter): PausableReporter {
  return { ...reporter, pause: () => Promise.resolve() };
}

/**
 * @param make - a drawing; after a pause another one begins, with the steps that have not ended yet, as soon as one of them
 * goes on: while the question stands there, nothing is drawn over it
 */
export function pausable(make: () => ClosableReporter): PausableReporter {
  let drawing = make();
  let paused = false;
  const open = new Map<string, Step>();
  return {
    emit: (event) => {
      if (event.type === "plan") for (const step of event.steps) open.set(step.id, step);
      if (paused && event.type !== "note") {
        paused = false;
        if (open.size > 0) drawing.emit({ type: "plan", steps: [...open.values()] });
        if (event.type === "plan") return;
      }
      if (event.type === "step-finished" || event.type === "step-skipped" || event.type === "step-failed") open.delete(event.step);
      drawing.emit(event);
    },
    close: () => drawing.close(),
    pause: async () => {
      await drawing.close();
      drawing = make();
      paused = true;
    },
  };
}

/** Every event, with its time, as one JSON line; progress at most once a second for each step. */
export function jsonReporter(choice: Pick<ReporterChoice, "quiet" | "verbose">, write: (line: string) => void, now: () => Date): ClosableReporter {
  const due = throttle(now, 1_000);
  return {
    emit: (event) => {
      if (choice.quiet && !isWarning(event)) return;
      if (event.type === "progress" && !due(event.step)) return;
      if (event.type === "note" && event.level === "debug" && !choice.verbose) return;
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
    if (event.type === "plan") {
      for (const { id, title } of event.steps) titles.set(id, title);
      return undefined;
    }
    if (event.type === "note") {
      if (event.level === "debug" && !choice.verbose) return undefined;
      return describeNote(event);
    }
    // The command's own answer says it.
    if (event.type === "drill-verdict") return undefined;
    const title = titles.get(event.step) ?? event.step;
    switch (event.type) {
      case "step-started":
        started.set(event.step, now());
        return choice.verbose ? `${title}…` : undefined;
      case "progress":
        return due(event.step) ? `${title}: ${describeProgress(event, started.get(event.step), now())}` : undefined;
      case "step-finished":
        return `${title}: ${event.detail === undefined ? "done" : readable(event.detail)}`;
      case "step-skipped":
        return `${title}: skipped, ${event.why}`;
      case "step-failed":
        return `${title}: failed`;
    }
  };
  return {
    emit: (event) => {
      if (choice.quiet && !isWarning(event)) return;
      const text = line(event);
      if (text !== undefined) write(redact(oneLine(text)));
    },
    close: () => Promise.resolve(),
  };
}

/** A note as a line: a warning says that it is one. */
export function describeNote({ level, message }: { level: "debug" | "info" | "warn"; message: string }): string {
  return level === "warn" ? `warning: ${readable(message)}` : readable(message);
}

/** A message of several lines, or with control characters in a name, as one line of a log. */
export function oneLine(text: string): string {
  return printable(text).replace(/\s*\n\s*/g, "; ");
}

/** Before that much time has passed, a rate says little and the time left is a guess. */
const settledAfterMs = 1_000;

/** `512 MB of 1.9 GB, 133 MB/s, 11 s left`. A total that has been passed was too low an estimate and is not shown. */
export function describeProgress(event: { bytes: number; total?: number }, since: Date | undefined, at: Date): string {
  const { bytes } = event;
  const elapsed = since === undefined ? 0 : at.getTime() - since.getTime();
  const rate = elapsed >= settledAfterMs ? (bytes / elapsed) * 1000 : 0;
  const total = event.total !== undefined && event.total > bytes ? event.total : undefined;
  return [
    formatBytes(bytes) + (total === undefined ? "" : ` of about ${formatBytes(total)}`),
    ...(rate > 0 ? [`${formatBytes(rate)}/s`] : []),
    ...(rate > 0 && total !== undefined ? [`${formatSeconds((total - bytes) / rate)} left`] : []),
  ].join(", ");
}

function isWarning(event: Event): boolean {
  return event.type === "note" && event.level === "warn";
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
