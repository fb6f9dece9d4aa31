/** Questions to whoever sits at the terminal. Everywhere else nothing is asked, and what needed an answer is refused. */
import { createInterface } from "node:readline/promises";
import { isatty } from "node:tty";

import { redact } from "../process/redact.ts";

/**
 * Shows something and asks for a name to be typed.
 * @returns undefined where nobody can answer: no terminal on stdin and stderr, or the output is for a script
 */
export function askForName<T extends { readonly confirm: string }>(signal: AbortSignal, render: (shown: T) => string, forScript: boolean): ((shown: T) => Promise<string>) | undefined {
  if (forScript || !isatty(0) || !isatty(2)) return undefined;
  return async (shown) => {
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    try {
      process.stderr.write(`\n${redact(render(shown))}\n\n`);
      return (await terminal.question(`Type ${shown.confirm} to go ahead, anything else to leave it: `, { signal })).trim();
    } finally {
      terminal.close();
    }
  };
}
