import { expect, it } from "vitest";

import { systemTimers } from "../../../src/lock/timers.ts";

it("calls once, unless it is taken back", async () => {
  const calls: string[] = [];
  systemTimers.after(1, () => calls.push("taken back"))();
  await new Promise<void>((resolve) => {
    systemTimers.after(1, () => calls.push("first"));
    systemTimers.after(5, () => { resolve(); });
  });
  expect(calls).toEqual(["first"]);
});

it("ends a sleep with the cancellation", async () => {
  const stop = new AbortController();
  const sleeping = systemTimers.sleep(3_600_000, stop.signal);
  stop.abort();
  await expect(sleeping).rejects.toMatchObject({ code: "cancelled" });
  await expect(systemTimers.sleep(3_600_000, AbortSignal.abort())).rejects.toMatchObject({ code: "cancelled" });
});
