/** What the timeline promises on every store with conditional puts. */
import { join } from "node:path";
import { expect, it } from "vitest";

import { openTimeline } from "../../src/audit/timeline.ts";
import { verifyTimeline } from "../../src/audit/verify.ts";
import type { Store } from "../../src/store/store.ts";
import { deed, entriesOf, keyPair, temporaryFolder } from "../unit/audit/fixture.ts";

/**
 * Declares the contract's tests.
 * @param open - an empty store, made for one test
 */
export function timelineContract(open: () => Promise<Store>): void {
  const hosts = async (store: Store, times: readonly string[]) => {
    const stateDir = await temporaryFolder();
    const keys = keyPair();
    const timelines = times.map((time, n) =>
      openTimeline({ store, stateDir: join(stateDir, `h${n}`), repositoryId: "repo", signer: keys.signer, clock: { now: () => new Date(time) }, actor: { user: "postgres", host: `h${n}`, operator: null, tty: false }, version: "0.1.0" }),
    );
    return { timelines, trusted: keys.trusted };
  };

  it("gives six hosts that write at once a place each, across the turn of the year", async () => {
    const store = await open();
    const times = ["2026-12-31T23:59:58.000Z", "2026-12-31T23:59:59.000Z", "2026-12-31T23:59:59.500Z", "2027-01-01T00:00:00.000Z", "2027-01-01T00:00:00.100Z", "2027-01-01T00:00:01.000Z"];
    const { timelines, trusted } = await hosts(store, times);
    const [first] = timelines;
    await first!.record(deed("first"));
    expect(await Promise.all(timelines.map((timeline, n) => timeline.record(deed(`h${n}`))))).toEqual(Array(6).fill("repository"));
    const entries = await entriesOf(first!);
    expect(entries.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(entries.map(({ subject }) => subject["backup"] ?? "").sort()).toEqual(["", "first", "h0", "h1", "h2", "h3", "h4", "h5"]);
    for (const timeline of timelines) expect(await verifyTimeline(store, { trusted, local: timeline.localCopy })).toMatchObject({ entries: 8, signed: 8, problems: [], warnings: [] });
  });

  it("names what was edited and what was cut off in the store itself", async () => {
    const store = await open();
    const { timelines, trusted } = await hosts(store, ["2026-03-01T02:00:00.000Z"]);
    const [timeline] = timelines;
    for (const name of ["a", "b", "c"]) await timeline!.record(deed(name));
    const object = await store.get("timeline/2026/0000000002.json");
    await store.put("timeline/2026/0000000002.json", Buffer.from(object!.bytes.toString().replace("ehr", "erp")));
    await store.delete("timeline/2026/0000000003.json");
    const { problems } = await verifyTimeline(store, { trusted, local: timeline!.localCopy });
    expect(problems.map(({ sequence, problem }) => [sequence, problem])).toEqual([[2, "edited"], [3, "removed"]]);
  });
}
