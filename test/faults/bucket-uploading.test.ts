import { expect, test } from "vitest";

import { readAudit } from "../../src/app/audit.ts";
import type { Outcome, RunningCli } from "../harness/cli.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";
import { type Proxy, startProxy } from "../harness/wire.ts";
import { expectHoldsExactly, expectRow } from "./leftovers.ts";
import { type BucketBench, contextOf, useScene } from "./scene.ts";

const missing = s3Missing();
const miB = 2 ** 20;

if (missing !== undefined) {
  test.skip(`an upload to a bucket is disturbed (${missing})`);
} else {
  const scene = useScene({ grown: true });

  /** A bench whose way to the bucket goes through a proxy; `on` is called when what a client sends matches. */
  const benchBehindProxy = async (on?: { readonly sees: RegExp; readonly act: (proxy: Proxy) => void }): Promise<{ bench: BucketBench; proxy: Proxy }> => {
    const proxy = await startProxy((await s3Server()).endpoint, {
      sees: (bytes) => { if (on?.sees.test(bytes.toString("latin1")) === true) on.act(proxy); },
    });
    const bench = await scene().bucketBench();
    bench.env["HOLDFAST_REPOSITORY"] = bench.place.through(proxy.endpoint);
    return { bench, proxy };
  };

  const ended = async (running: RunningCli): Promise<Outcome> => {
    const { exitCode = -1, stdout, stderr } = await running;
    return { code: exitCode, stdout, stderr, json: <T>() => JSON.parse(stdout) as T };
  };

  /** A run that could not give its lock back blocks the others for one lease, which has passed here. */
  const expireLock = async ({ place }: BucketBench): Promise<void> => {
    const key = "ehr/locks/backup.json";
    const record = JSON.parse((await place.read(key)).toString()) as object;
    await place.write(key, Buffer.from(JSON.stringify({ ...record, expires: "2026-01-01T00:00:00.000Z" })));
  };

  /** What happened is kept on the host, comes with the next backup, and that leaves nothing of the one that failed. */
  const expectMended = async (bench: BucketBench, proxy: Proxy, outcome: "failed" | "cancelled"): Promise<void> => {
    await proxy.mend();
    await expireLock(bench);
    const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
    await expectHoldsExactly(bench, [scene().backup.id, id]);
    const { context } = await contextOf(bench);
    expect((await readAudit(context, {})).filter(({ action }) => action === "backup").slice(-2)).toMatchObject([
      { action: "backup", outcome, recordedAt: expect.any(String) as unknown, subject: { database: "ehr", backup: expect.stringMatching(/^ehr-/) as unknown } },
      { action: "backup", outcome: "ok", subject: { backup: id } },
    ]);
  };

  test("a server that goes down in the middle of an upload fails the backup, and the next one sweeps what was left", async () => {
    const { bench, proxy } = await benchBehindProxy();
    const running = bench.start("backup");
    await proxy.receivedAtLeast(12 * miB);
    await proxy.cut();
    await expectRow("down in upload", bench, await ended(running), { holds: "unknown" });
    expect(await bench.place.unfinished()).toEqual([expect.stringMatching(/\/data\.pgdump\.zst\.age$/)]);
    await expectMended(bench, proxy, "failed");
  });

  test("a server that stops answering in the middle of an upload fails it after the limit", async () => {
    const { bench, proxy } = await benchBehindProxy();
    const running = bench.start("backup");
    await proxy.receivedAtLeast(12 * miB);
    proxy.hang();
    await expectRow("silent in upload", bench, await ended(running), { holds: "unknown" });
    await expectMended(bench, proxy, "failed");
  });

  test("a server that stops answering when the manifest comes fails the backup, and nothing of it is listed", async () => {
    const { bench, proxy } = await benchBehindProxy({ sees: /PUT \S+\/manifest\.json(?:\?\S*)? HTTP/, act: (way) => { way.hang(); } });
    await expectRow("silent at manifest", bench, await bench.run("backup"), { holds: "unknown" });
    await proxy.mend();
    const list = (await bench.ok("backup", "list", "--json")).json<{ id: string }[]>();
    expect(list.map(({ id }) => id)).toEqual([scene().backup.id]);
  });

  test("Ctrl-C in the middle of an upload leaves no part, no object and no unfinished upload", async () => {
    const { bench, proxy } = await benchBehindProxy();
    const running = bench.start("backup");
    await proxy.receivedAtLeast(12 * miB);
    running.kill("SIGINT");
    const outcome = await ended(running);
    await expectRow("cancelled in upload", bench, outcome);
    const { context } = await contextOf(bench);
    expect((await readAudit(context, {})).findLast(({ action }) => action === "backup")).toMatchObject({ action: "backup", outcome: "cancelled", code: "cancelled" });
  });

  test("SIGTERM while the store does not answer ends the run within 5 s, and the next backup sweeps what was left", async () => {
    const { bench, proxy } = await benchBehindProxy();
    bench.env["HOLDFAST_REPOSITORY_REQUEST_TIMEOUT"] = "60s";
    bench.env["HOLDFAST_REPOSITORY_STALL_TIMEOUT"] = "60s";
    const running = bench.start("backup");
    await proxy.receivedAtLeast(12 * miB);
    proxy.hang();
    running.kill("SIGTERM");
    const since = performance.now();
    const outcome = await ended(running);
    expect(performance.now() - since).toBeLessThan(5_000);
    await expectRow("cancelled while silent", bench, outcome, { holds: "unknown" });
    await expectMended(bench, proxy, "cancelled");
  });
}
