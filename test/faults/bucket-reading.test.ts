import { expect, test } from "vitest";

import { backupKey } from "../../src/catalog/layout.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";
import { startProxy } from "../harness/wire.ts";
import { expectFault, expectRow } from "./leftovers.ts";
import type { FaultName } from "./matrix.ts";
import { type BucketBench, useScene } from "./scene.ts";

const missing = s3Missing();
const miB = 2 ** 20;

if (missing !== undefined) {
  test.skip(`a bucket whose objects are harmed (${missing})`);
} else {
  const scene = useScene({ grown: true });
  const copy = (): string => `${scene().database}_copy`;
  const keyOf = (file: string): string => backupKey("ehr", scene().backup.id, file);

  const expectBoth = async (fault: FaultName, bench: BucketBench): Promise<void> => {
    const { id } = scene().backup;
    await expectFault(fault, bench, ["backup", "verify", id], { recorded: "verify", holds: "unknown" });
    await expectFault(fault, bench, ["restore", id, "--into", copy()], { recorded: "restore", holds: "unknown" });
  };

  test("a flipped byte in an object is named by verify and by restore", async () => {
    const bench = await scene().bucketBench();
    const bytes = await bench.place.read(keyOf("data.pgdump.zst.age"));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await bench.place.write(keyOf("data.pgdump.zst.age"), bytes);
    await expectBoth("part changed", bench);
  });

  test("a truncated object is found by its size", async () => {
    const bench = await scene().bucketBench();
    const bytes = await bench.place.read(keyOf("data.pgdump.zst.age"));
    await bench.place.write(keyOf("data.pgdump.zst.age"), bytes.subarray(0, bytes.length >> 1));
    await expectBoth("part truncated", bench);
  });

  test("a deleted object is named", async () => {
    const bench = await scene().bucketBench();
    await bench.place.remove(keyOf("data.pgdump.zst.age"));
    await expectBoth("part missing", bench);
  });

  test.each([
    ["down in restore", (way: { cut: () => Promise<void> }) => { void way.cut(); }],
    ["silent in restore", (way: { hang: () => void }) => { way.hang(); }],
  ] as const)("%s: the copy is dropped, the exit code is the store's, and the restore is remembered", async (fault, act) => {
    // Answers are counted from the data part's on: it is read last, and is some 20 MB.
    let armed = false;
    let came = 0;
    const proxy = await startProxy((await s3Server()).endpoint, {
      sees: (bytes) => { armed ||= /GET \S+\/data\.pgdump\.zst\.age/.test(bytes.toString("latin1")); },
      tamper: (bytes) => {
        if (armed && (came += bytes.length) > 4 * miB) act(proxy);
        return bytes;
      },
    });
    const bench = await scene().bucketBench();
    const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
    bench.env["HOLDFAST_REPOSITORY"] = bench.place.through(proxy.endpoint);
    await bench.ok("backup", "verify", id, "--level", "stat");
    armed = false;
    const outcome = await bench.run("restore", id, "--into", copy());
    expect(came).toBeGreaterThan(4 * miB);
    await expectRow(fault, bench, outcome, { holds: [scene().backup.id, id] });
    await proxy.mend();
    came = -Infinity;
    await bench.ok("backup", "verify", id, "--level", "stat");
    const { stdout } = await bench.ok("audit", "show", "--json");
    expect((JSON.parse(stdout) as { action: string }[]).filter(({ action }) => action === "restore")).toMatchObject([{ outcome: "failed", code: "store-failed", subject: { backup: id, target: copy() } }]);
  });
}
