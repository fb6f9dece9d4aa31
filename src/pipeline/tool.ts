/** Running subprocesses as ends of a pipeline: their exit status is part of their stream. */
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

import { Inlet } from "./inlet.ts";

interface Running {
  /** Resolves when the tool exited with 0, rejects when it ended in any other way. */
  readonly done: Promise<void>;
  kill(): void;
}

/**
 * What a tool writes. The end is reached only once the tool has exited with 0; if it did not, its failure is thrown
 * instead, after whatever it had written. A consumer that stops early kills the tool and waits for it to be gone.
 */
export function toolOutput(tool: Running & { readonly stdout: Readable }): AsyncIterable<Buffer> & AsyncDisposable {
  // When a child exits, Node throws away what nobody has begun to read; a listener of this kind makes it wait for us.
  const hold = (): void => undefined;
  tool.stdout.on("readable", hold);
  let finished = false;
  const dispose = async (): Promise<void> => {
    if (!finished) tool.kill();
    tool.stdout.destroy();
    await tool.done.catch(() => undefined);
  };
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for await (const bytes of tool.stdout) yield bytes as Buffer;
        await tool.done;
        finished = true;
      } finally {
        await dispose();
      }
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/**
 * Writes `source` to a tool's stdin, and waits until the tool has exited with 0.
 * A failing source kills the tool and is the error. A tool that ends early is reported by its own failure, not by the
 * broken pipe; one that exits with 0 although bytes were left has had enough, and the source is closed.
 * @returns whether the tool was given the whole source
 */
export async function feedTool(source: AsyncIterable<Uint8Array>, tool: Running & { readonly stdin: Writable }): Promise<boolean> {
  const { stdin } = tool;
  const inlet = new Inlet(source);
  const gone = new Error("the tool takes no more input");
  const stop = (): void => {
    inlet.stop(gone);
  };
  stdin.on("error", stop);
  tool.done.then(stop, stop);
  let whole = true;
  try {
    for await (const bytes of inlet) {
      if (!stdin.write(bytes)) await room(stdin);
    }
  } catch (error) {
    if (error !== gone) {
      tool.kill();
      stdin.destroy();
      await tool.done.catch(() => undefined);
      throw error;
    }
    whole = false;
  }
  stdin.end();
  await tool.done;
  await inlet.close();
  return whole;
}

/** Resolves when `stdin` takes bytes again, or never will. */
async function room(stdin: Writable): Promise<void> {
  if (stdin.destroyed || !stdin.writableNeedDrain) return;
  const over = new AbortController();
  await Promise.race([once(stdin, "drain", { signal: over.signal }), once(stdin, "close", { signal: over.signal })]).catch(() => undefined);
  over.abort();
}
