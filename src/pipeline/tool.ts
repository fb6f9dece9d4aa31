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
 * A failing source kills the tool and is the error. A tool that fails is reported by its own failure, not by the broken
 * pipe. One that exits with 0 although bytes are left has had enough; the source is read to its end all the same, because
 * only its end says that it was whole.
 */
export async function feedTool(source: AsyncIterable<Uint8Array>, tool: Running & { readonly stdin: Writable }): Promise<void> {
  const { stdin } = tool;
  const inlet = new Inlet(source);
  const failed = new Error("the tool failed");
  stdin.on("error", () => undefined);
  const ended = tool.done.catch(() => {
    inlet.stop(failed);
  });
  try {
    for await (const bytes of inlet) {
      if (stdin.writable && !stdin.write(bytes)) await room(stdin);
      // A broken pipe says that the tool is ending, not yet how.
      if (!stdin.writable) await ended;
    }
  } catch (error) {
    if (error !== failed) {
      tool.kill();
      stdin.destroy();
      await tool.done.catch(() => undefined);
      throw error;
    }
  }
  stdin.end();
  await tool.done;
}

/** Resolves when `stdin` takes bytes again, or never will. */
async function room(stdin: Writable): Promise<void> {
  if (stdin.destroyed || !stdin.writableNeedDrain) return;
  const over = new AbortController();
  await Promise.race([once(stdin, "drain", { signal: over.signal }), once(stdin, "close", { signal: over.signal })]).catch(() => undefined);
  over.abort();
}
