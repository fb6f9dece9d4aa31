/** Real subprocesses: a tool's exit status is part of its stream. */
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";

import { generateIdentity } from "../../../src/pipeline/age-keys.ts";
import { pack } from "../../../src/pipeline/pack.ts";
import { feedTool, toolOutput } from "../../../src/pipeline/tool.ts";
import { type RunningTool, startTool, ToolFailure } from "../../../src/process/run.ts";
import { collect, inPieces, noise, outcome, sha256 } from "./bytes.ts";

const fixture = (name: string): string => join(import.meta.dirname, "../../fixtures/bin", name);
const { recipient } = await generateIdentity();

const gone = (tool: RunningTool): boolean => {
  try {
    process.kill(tool.pid!, 0);
    return false;
  } catch {
    return true;
  }
};

describe("toolOutput", () => {
  it("gives what a tool wrote once it exited with 0", async () => {
    expect((await collect(toolOutput(startTool(["printf", "hello"])))).toString()).toBe("hello");
  });

  it("gives it also when the tool had exited before anybody began to read", async () => {
    const tool = startTool(["printf", "hello"]);
    const output = toolOutput(tool);
    const exited = Promise.withResolvers<undefined>();
    const poll = setInterval(() => { if (gone(tool)) exited.resolve(undefined); }, 5);
    await exited.promise;
    clearInterval(poll);
    await new Promise((resolve) => setImmediate(resolve));
    expect((await collect(output)).toString()).toBe("hello");
  });

  it("fails when the tool wrote half and exited with 3, and so does everything behind it", async () => {
    const { bytes, error } = await outcome(toolOutput(startTool([fixture("half-then-3")])));
    expect(bytes.toString()).toMatch(/row 4999 of ten thousand\n$/);
    expect(error).toBeInstanceOf(ToolFailure);
    expect((error as ToolFailure).message).toBe("half-then-3 exited with 3: half-then-3: error: connection to server was lost");

    const out = pack(toolOutput(startTool([fixture("half-then-3")])), { recipients: [recipient] });
    expect((await outcome(out.stream)).error).toBeInstanceOf(ToolFailure);
    expect(() => out.sha256).toThrow(/not been read to its end/);
  });

  it("fails when the tool was killed", async () => {
    const tool = startTool([fixture("prints-forever")]);
    const reading = outcome(toolOutput(tool));
    tool.kill("SIGKILL");
    expect((await reading).error).toMatchObject({ signalName: "SIGKILL" });
  });

  it("fails when the tool does not exist", async () => {
    expect((await outcome(toolOutput(startTool(["/nonexistent/pg_dump"])))).error).toMatchObject({ missing: true });
  });

  it("does not end before the tool did, though its output has", async () => {
    const done = Promise.withResolvers<undefined>();
    const stdout = new PassThrough();
    stdout.end("all of it");
    const reading = outcome(toolOutput({ stdout, done: done.promise, kill: () => undefined }));
    done.reject(new Error("exited with 3"));
    expect(await reading).toEqual({ bytes: Buffer.from("all of it"), error: new Error("exited with 3") });
  });

  it("kills the tool and waits for its end when the consumer stops", async () => {
    const tool = startTool([fixture("prints-forever")]);
    for await (const bytes of toolOutput(tool)) {
      expect(bytes.length).toBeGreaterThan(0);
      break;
    }
    expect(gone(tool)).toBe(true);
  });

  it.each(["prints-forever", "silent"])("leaves no process when a pack of it is cancelled or given up (%s)", async (program) => {
    const start = (): RunningTool => (program === "silent" ? startTool(["sleep", "600"]) : startTool([fixture(program)]));
    const tool = start();
    const stop = new AbortController();
    const reading = outcome(pack(toolOutput(tool), { recipients: [recipient], signal: stop.signal, onBytes: () => { stop.abort(); } }).stream);
    if (program === "silent") setImmediate(() => { stop.abort(); });
    expect((await reading).error).toMatchObject({ code: "cancelled" });
    expect(gone(tool)).toBe(true);

    const other = start();
    const stream = pack(toolOutput(other), { recipients: [recipient] }).stream[Symbol.asyncIterator]();
    await stream.next();
    await stream.return?.();
    expect(gone(other)).toBe(true);
  });
});

describe("feedTool", () => {
  it("gives a tool the whole source", async () => {
    const tool = startTool(["sha256sum"]);
    const answer = collect(toolOutput(tool));
    const bytes = noise(3_000_000);
    await feedTool(inPieces(bytes, 100_000), tool);
    expect((await answer).toString()).toBe(`${sha256(bytes)}  -\n`);
  });

  it("kills the tool when the source fails, and reports the source's error", async () => {
    const failing = new Error("damaged at byte 0");
    async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
      yield await Promise.resolve(noise(10));
      throw failing;
    }
    const tool = startTool(["sleep", "600"]);
    await expect(feedTool(broken(), tool)).rejects.toBe(failing);
    expect(gone(tool)).toBe(true);
  });

  it("never lets a tool take a failing source's part for the whole", async () => {
    const tool = startTool(["sh", "-c", "cat > /dev/null && exit 0"]);
    async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
      yield await Promise.resolve(noise(10));
      throw new Error("damaged");
    }
    await expect(feedTool(broken(), tool)).rejects.toThrow("damaged");
    await expect(tool.done).rejects.toMatchObject({ signalName: "SIGTERM" });
  });

  it("reports a tool that dies early by its own failure, not by the broken pipe", async () => {
    let closed = false;
    async function* endless(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (;;) yield await Promise.resolve(Buffer.alloc(65_536, "a line\n"));
      } finally {
        closed = true;
      }
    }
    await expect(feedTool(endless(), startTool([fixture("reads-one-line"), "4"]))).rejects.toMatchObject({ exitCode: 4 });
    expect(closed).toBe(true);
  });

  it("notices that the tool died while the source is silent", async () => {
    async function* silent(): AsyncGenerator<Uint8Array, void, undefined> {
      yield await Promise.resolve(Buffer.from("a line\n"));
      await new Promise(() => undefined);
    }
    await expect(feedTool(silent(), startTool([fixture("reads-one-line"), "4"]))).rejects.toMatchObject({ exitCode: 4 });
  });

  it("reads the source to its end when the tool has had enough, so that damage behind that point is still found", async () => {
    let read = 0;
    async function* damaged(): AsyncGenerator<Uint8Array, void, undefined> {
      for (; read < 5_000_000; read += 65_536) yield await Promise.resolve(Buffer.alloc(65_536, "a line\n"));
      throw new Error("damaged at the end");
    }
    await expect(feedTool(damaged(), startTool([fixture("reads-one-line")]))).rejects.toThrow("damaged at the end");
    expect(read).toBeGreaterThanOrEqual(5_000_000);
  });

  it("reports a tool that read everything and failed then", async () => {
    await expect(feedTool(inPieces(noise(100), 10), startTool(["sh", "-c", "cat > /dev/null; exit 5"]))).rejects.toMatchObject({ exitCode: 5 });
  });

  it("waits for a slow tool", async () => {
    let held = 0;
    let most = 0;
    const done = Promise.withResolvers<undefined>();
    const stdin = new Writable({
      highWaterMark: 100_000,
      write: (bytes: Buffer, _, taken) => {
        setImmediate(() => {
          held -= bytes.length;
          taken();
        });
      },
      final: (ended) => {
        ended();
        done.resolve(undefined);
      },
    });
    async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
      for (let turn = 0; turn < 100; turn++) {
        most = Math.max(most, (held += 50_000));
        yield await Promise.resolve(Buffer.alloc(50_000));
      }
    }
    await feedTool(counted(), { stdin, done: done.promise, kill: () => undefined });
    expect(most).toBeLessThanOrEqual(200_000);
  });
});
