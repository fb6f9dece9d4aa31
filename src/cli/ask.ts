/** Questions to whoever sits at the terminal. Everywhere else nothing is asked, and what needed an answer is refused. */
import { createInterface } from "node:readline/promises";
import { isatty } from "node:tty";

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
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    try {
      process.stderr.write(`\n${redact(render(shown))}\n\n`);
      return (await terminal.question(`Type ${shown.confirm} to go ahead, anything else to leave it: `, { signal })).trim();
    } finally {
      terminal.close();
    }
  };
}
