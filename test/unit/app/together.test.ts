import { expect, test } from "vitest";

import { together } from "../../../src/app/together.ts";

const never = new AbortController().signal;
/** A task that works until it is told to stop, and says how it ended. */
const untilStopped = (ended: string[]) => (signal: AbortSignal): Promise<string> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      setImmediate(() => {
        ended.push("stopped");
        reject(new Error("stopped"));
      });
    });
  });

test("tasks that all succeed answer in their order", async () => {
  expect(await together<[number, string]>(never, [() => new Promise((resolve) => setImmediate(() => { resolve(1); })), () => Promise.resolve("two")])).toEqual([1, "two"]);
});

test("the first failure stops the others, and is thrown only when they have ended", async () => {
  const ended: string[] = [];
  await expect(together(never, [untilStopped(ended), () => Promise.reject(new Error("first")), untilStopped(ended)])).rejects.toThrow("first");
  expect(ended).toEqual(["stopped", "stopped"]);
});

test("a signal from outside stops all, with its reason, also when it came before the start", async () => {
  const ended: string[] = [];
  const stop = new AbortController();
  const running = together(stop.signal, [untilStopped(ended), untilStopped(ended)]);
  stop.abort("enough");
  await expect(running).rejects.toThrow("stopped");
  expect(ended).toHaveLength(2);
  const reasons: unknown[] = [];
  await together(stop.signal, [(signal) => { reasons.push(signal.aborted, signal.reason); return Promise.resolve(); }]);
  expect(reasons).toEqual([true, "enough"]);
});
