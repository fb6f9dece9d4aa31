/** Questions to whoever sits at the terminal. Everywhere else nothing is asked, and what needed an answer is refused. */
import { createInterface } from "node:readline/promises";
import { isatty } from "node:tty";

import { cancelled, HoldfastError } from "../errors.ts";
import { redact } from "../process/redact.ts";

export interface Asking {
  readonly signal: AbortSignal;
  /** The output is for a script: nobody reads a question. */
  readonly forScript: boolean;
  /** Lets what is drawn come to its end, so that the question stands below it. */
  readonly pause: () => Promise<void>;
}

/**
 * Shows something and asks for a name to be typed.
 * @returns undefined where nobody can answer: no terminal on stdin and stderr, or the output is for a script
 */
export function askForName<T extends { readonly confirm: string }>({ signal, forScript, pause }: Asking, render: (shown: T) => string): ((shown: T) => Promise<string>) | undefined {
  if (forScript || !isatty(0) || !isatty(2)) return undefined;
  return async (shown) => {
    await pause();
    process.stderr.write(`\n${redact(render(shown))}\n\n`);
    return lineTyped(`Type ${shown.confirm} to go ahead, anything else to leave it: `, signal);
  };
}

/** @throws HoldfastError `cancelled` by the signal, by Ctrl-C or Ctrl-D, and where the terminal itself goes away */
async function lineTyped(question: string, signal: AbortSignal): Promise<string> {
  const left = new AbortController();
  const leave = (): void => { left.abort(); };
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // A terminal that is gone fails to be read and to be set: unheard, that would end the process before it wrote down anything.
  terminal.once("SIGINT", leave).once("close", leave).on("error", leave);
  try {
    return (await terminal.question(question, { signal: AbortSignal.any([signal, left.signal]) })).trim();
  } catch (error) {
    // The line of the question has not ended.
    process.stderr.write("\n");
    if (signal.aborted) throw cancelled(signal);
    if (left.signal.aborted) throw new HoldfastError("cancelled", "cancelled at the question", { cause: error });
    throw error;
  } finally {
    terminal.close();
  }
}
