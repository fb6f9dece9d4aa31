/** A story inside a step of another: its own steps are the outer one's progress, its notes are heard as they are. */
import type { Event, Reporter } from "../../ports.ts";
import type { Context } from "../context.ts";

/** The context of a story that runs as the step `id`. */
export function withinStep(context: Context, id: string, signal: AbortSignal): Context {
  return { ...context, signal, reporter: stepReporter(context.reporter, id) };
}

function stepReporter(outer: Reporter, id: string): Reporter {
  const tell = (event: Event): void => {
    if (event.type === "note" || event.type === "drill-verdict") outer.emit(event);
    else if (event.type === "progress") outer.emit({ ...event, step: id });
    else if (event.type === "step-finished") outer.emit({ type: "note", level: "debug", message: `${id}: ${event.step}${event.detail === undefined ? "" : `, ${event.detail}`}` });
  };
  return { emit: tell };
}
