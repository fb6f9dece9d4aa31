/**
 * What Ctrl-C, SIGTERM and SIGHUP do: the work is told to stop and cleans up; if it has not ended after some seconds,
 * because a store or a server does not answer, the process ends anyway.
 */
import { HoldfastError } from "../errors.ts";

/** A supervisor gives a few seconds; what has not cleaned up by then is left to be found. */
const patienceMs = 4_500;

/**
 * One press reaches us more than once: a terminal signals the whole process group, a wrapper passes the signal on as
 * well, systemd sends SIGHUP after SIGTERM. Only what comes later than this is a second press.
 */
const sameMomentMs = 400;

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface Interruption {
  readonly signal: AbortSignal;
  /** The work has ended: its deadline is lifted, signals do again what they do by default. */
  over(): void;
}

/** @param giveUp - ends the process at once; told why, or undefined when a second signal asked for it */
export function listenToSignals(giveUp: (why: HoldfastError | undefined) => void): Interruption {
  const controller = new AbortController();
  let deadline: NodeJS.Timeout | undefined;
  let first = 0;
  const stop = (name: NodeJS.Signals): void => {
    if (!controller.signal.aborted) {
      first = performance.now();
      // Not unref'ed: work that waits for an answer without a timer or a socket would let the process end as if it were done.
      deadline = setTimeout(() => { giveUp(new HoldfastError("cancelled", `cancelled by ${name}, but cleaning up did not end within ${Math.ceil(patienceMs / 1000)} s`)); }, patienceMs);
      controller.abort(new HoldfastError("cancelled", `cancelled by ${name}`));
    } else if (performance.now() - first >= sameMomentMs) giveUp(undefined);
  };
  for (const name of signals) process.on(name, stop);
  return {
    signal: controller.signal,
    over: () => {
      clearTimeout(deadline);
      for (const name of signals) process.removeListener(name, stop);
    },
  };
}
