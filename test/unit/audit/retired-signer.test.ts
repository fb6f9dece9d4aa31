import { expect, test } from "vitest";

import { verifyTimeline } from "../../../src/audit/verify.ts";
import { bench, deed, keyPair } from "./fixture.ts";

const retired = new Date("2026-04-01T00:00:00.000Z");

/** Entries of the old key, then of the new one: the old one was retired in between, with a month of overlap. */
async function rotated() {
  const made = await bench();
  const next = keyPair();
  const newHost = made.open({ signer: next.signer });
  await made.timeline.record(deed("a"));
  made.clock.set("2026-03-15T02:00:00.000Z");
  await newHost.record(deed("b"));
  await made.timeline.record(deed("c"));
  made.clock.set("2026-04-15T02:00:00.000Z");
  await newHost.record(deed("d"));
  const trusted = [{ ...made.keys.trusted[0]!, validUntil: retired }, { ...next.trusted[0]!, validFrom: new Date("2026-03-10T00:00:00.000Z") }];
  return { ...made, verify: () => verifyTimeline(made.store, { trusted, local: made.timeline.localCopy }) };
}

test("entries that a key signed before it was retired stay good", async () => {
  const { verify } = await rotated();
  expect(await verify()).toMatchObject({ entries: 4, signed: 4, problems: [] });
});

test("an entry that a retired key signs is a stranger's", async () => {
  const { clock, timeline, verify } = await rotated();
  clock.set("2026-04-16T02:00:00.000Z");
  await timeline.record(deed("e"));
  expect((await verify()).problems).toMatchObject([{ sequence: 5, problem: "stranger", detail: expect.stringMatching(/^signed at 2026-04-16T02:00:00.000Z with the key [0-9a-f]{16}, which counted until 2026-04-01T00:00:00.000Z only$/) as string }]);
});

test("a retired key that dates its entry back is betrayed by the entries before it", async () => {
  const { clock, timeline, verify } = await rotated();
  clock.set("2026-03-20T02:00:00.000Z");
  await timeline.record(deed("e"));
  const { problems, signed } = await verify();
  expect(problems).toMatchObject([{ sequence: 5, problem: "stranger", detail: expect.stringMatching(/stands after entry 4 of 2026-04-15T02:00:00.000Z: it is dated back$/) as string }]);
  expect(signed).toBe(4);
});
