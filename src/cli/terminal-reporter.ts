/**
 * Events as a live list in a terminal. The steps run as the story says, two of them side by side; the list only mirrors
 * them, so listr2 draws here and runs nothing. Notes are kept until the list is drawn to its end, and come below it.
 */
import { DefaultRenderer, Listr, ListrLogger, ListrTaskState, ProcessOutput } from "listr2";

import type { Event, Step } from "../ports.ts";
import { redact } from "../process/redact.ts";
import { formatSeconds, printable, readable } from "../text/format.ts";
import { type ClosableReporter, describeNote, describeProgress, oneLine } from "./reporters.ts";

type List = Listr<unknown, "default", "default">;
type StepEvent = Exclude<Event, { type: "plan" | "note" | "drill-verdict" }>;

/** A redraw is worth it ten times a second; bytes come far more often. */
const redrawMs = 100;
/** A step that tells no bytes shows after a while for how long it has been at work, and says so when it is done. */
const quickMs = 3_000;

interface Shown {
  readonly task: List["tasks"][number];
  readonly title: string;
  since?: Date;
  drawnAt?: number;
  bytes?: boolean;
}

export function terminalReporter(stream: NodeJS.WriteStream, now: () => Date): ClosableReporter {
  const list: List = new Listr<unknown, "default", "default">([], { renderer: "default", fallbackRenderer: "default", registerSignalListeners: false });
  const shown = new Map<string, Shown>();
  const held: string[] = [];
  let state: "idle" | "drawing" | "closed" = "idle";
  let drawn: Promise<(() => void) | undefined> = Promise.resolve(undefined);
  let ticker: NodeJS.Timeout | undefined;

  const add = (steps: readonly Step[]): void => {
    const fresh = steps.filter(({ id }) => !shown.has(id));
    list.add(fresh.map(({ title }) => ({ title: shownText(title), task: () => undefined })));
    for (const [index, { id, title }] of fresh.entries()) {
      const task = list.tasks[list.tasks.length - fresh.length + index];
      if (task) shown.set(id, { task, title });
    }
    if (state !== "idle") {
      for (const { task } of shown.values()) void task.check(undefined);
      return;
    }
    state = "drawing";
    drawn = draw();
    ticker = setInterval(tick, 1_000).unref();
  };

  /** @returns what ends the drawing */
  const draw = async (): Promise<() => void> => {
    const output = new ProcessOutput(stream, stream, { dump: ["stdout"], leaveEmptyLine: false });
    const logger = new ListrLogger({ useIcons: true, toStderr: [], processOutput: output });
    const renderer = new DefaultRenderer(list.tasks, { logger, formatOutput: "truncate", collapseErrors: false, showErrorMessage: false }, list.events);
    await Promise.all(list.tasks.map((task) => task.check(undefined)));
    await renderer.render();
    return () => { renderer.end(); };
  };

  const tick = (): void => {
    for (const { task, since, bytes } of shown.values()) {
      if (!task.isStarted() || since === undefined || bytes === true) continue;
      const elapsed = now().getTime() - since.getTime();
      if (elapsed >= quickMs) task.output$ = formatSeconds(Math.floor(elapsed / 1000)).replace(/\.0 s$/, " s");
    }
  };

  const update = (event: StepEvent): void => {
    if (!shown.has(event.step)) add([{ id: event.step, title: event.step }]);
    const step = shown.get(event.step);
    if (step === undefined) return;
    const { task, title } = step;
    switch (event.type) {
      case "step-started":
        step.since = now();
        task.state$ = ListrTaskState.STARTED;
        break;
      case "progress":
        step.bytes = true;
        if (now().getTime() - (step.drawnAt ?? 0) < redrawMs) break;
        step.drawnAt = now().getTime();
        task.output$ = describeProgress(event, step.since, now());
        break;
      case "step-finished":
        end(step, ListrTaskState.COMPLETED, `${title}${event.detail === undefined ? "" : `: ${readable(event.detail)}`}${took(step)}`);
        break;
      case "step-skipped":
        end(step, ListrTaskState.SKIPPED, `${title}: skipped, ${event.why}`);
        break;
      case "step-failed":
        end(step, ListrTaskState.FAILED, title);
        break;
    }
  };

  const took = ({ since }: Shown): string => {
    const elapsed = since === undefined ? 0 : now().getTime() - since.getTime();
    return elapsed < quickMs ? "" : `, ${formatSeconds(elapsed / 1000)}`;
  };

  const end = ({ task }: Shown, as: ListrTaskState, title: string): void => {
    task.title$ = shownText(title);
    if (as === ListrTaskState.SKIPPED) task.message$ = { skip: shownText(title) };
    task.state$ = as;
  };

  const tell = (line: string): void => { stream.write(`${line}\n`); };

  return {
    emit: (event) => {
      if (event.type === "note") {
        if (event.level === "debug") return;
        const line = redact(printable(describeNote(event)));
        if (state === "drawing") held.push(line);
        else tell(line);
      } else if (state === "closed" || event.type === "drill-verdict") return;
      else if (event.type === "plan") add(event.steps);
      else update(event);
    },
    close: async () => {
      clearInterval(ticker);
      const finish = await drawn;
      if (state === "closed") return;
      // A story that was cancelled leaves steps that neither finished nor failed.
      for (const { task } of shown.values()) if (task.isStarted()) task.state$ = ListrTaskState.FAILED;
      state = "closed";
      finish?.();
      for (const line of held.splice(0)) tell(line);
    },
  };
}

function shownText(text: string): string {
  return redact(oneLine(text));
}
