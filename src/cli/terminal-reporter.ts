/** Events as a live list in a terminal. Steps run as the story says; the list only mirrors them. */
import { Listr, type ListrTaskWrapper, type DefaultRenderer, type SimpleRenderer } from "listr2";

import type { Event } from "../ports.ts";
import { redact } from "../process/redact.ts";
import { readable } from "./format.ts";
import { type ClosableReporter, describeProgress } from "./reporters.ts";

type Task = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>;

interface Shown {
  readonly title: string;
  readonly settled: Promise<undefined>;
  readonly finish: () => void;
  readonly fail: (error: Error) => void;
  task?: Task;
  since?: Date;
  drawn?: number;
}

/** A redraw is worth it ten times a second; bytes come far more often. */
const redrawMs = 100;

export function terminalReporter(write: (line: string) => void): ClosableReporter {
  const shown = new Map<string, Shown>();
  const held: string[] = [];
  let running: Promise<unknown> = Promise.resolve();

  const begin = (steps: readonly { id: string; title: string }[]): void => {
    for (const { id, title } of steps) {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      promise.catch(() => undefined);
      shown.set(id, { title, settled: promise, finish: () => { resolve(undefined); }, fail: reject });
    }
    const list = new Listr(
      steps.map(({ id, title }) => ({
        title,
        task: (_: unknown, task: Task) => {
          const step = shown.get(id);
          if (step) step.task = task;
          return step?.settled;
        },
      })),
      { concurrent: false, exitOnError: true, rendererOptions: { collapseErrors: false, showErrorMessage: false, outputBar: 1, persistentOutput: false } as never, registerSignalListeners: false },
    );
    running = list.run().catch(() => undefined);
  };

  const update = (event: Event): void => {
    if (event.type === "plan") { begin(event.steps); return; }
    if (event.type === "note") {
      if (event.level !== "debug") held.push(redact(event.level === "warn" ? `warning: ${event.message}` : event.message));
      return;
    }
    const step = shown.get(event.step);
    if (step === undefined) return;
    if (event.type === "step-started") step.since = new Date();
    if (event.type === "progress" && step.task && Date.now() - (step.drawn ?? 0) >= redrawMs) {
      step.drawn = Date.now();
      step.task.output = describeProgress(event, step.since, new Date());
    }
    if (event.type === "step-finished") {
      if (event.detail !== undefined) retitle(step, `${step.title}: ${readable(event.detail)}`);
      step.finish();
    }
    if (event.type === "step-skipped") {
      retitle(step, `${step.title}: skipped, ${event.why}`);
      step.finish();
    }
    if (event.type === "step-failed") step.fail(new Error(redact(event.message)));
  };

  /** A step that ends before its turn in the list has no task yet: its title is set when the turn comes. */
  const retitle = (step: Shown, title: string): void => {
    if (step.task) step.task.title = redact(title);
    else void step.settled.then(() => { if (step.task) step.task.title = redact(title); });
  };

  return {
    emit: update,
    close: async () => {
      // A cancelled story leaves steps that neither finished nor failed.
      for (const step of shown.values()) step.fail(new Error("not reached"));
      await running;
      for (const line of held) write(line);
    },
  };
}
