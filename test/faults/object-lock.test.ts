import { DeleteObjectCommand, GetObjectRetentionCommand, ListObjectVersionsCommand } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";

import { s3Missing, s3Server } from "../harness/s3.ts";
import { expectHoldsExactly } from "./leftovers.ts";
import { type BucketBench, clients, useScene } from "./scene.ts";

const missing = s3Missing();

if (missing !== undefined) {
  test.skip(`a bucket with object lock (${missing})`);
} else {
  const scene = useScene();
  const governance = { HOLDFAST_REPOSITORY_OBJECT_LOCK_MODE: "GOVERNANCE", HOLDFAST_REPOSITORY_OBJECT_LOCK_DAYS: "1" };

  interface Version {
    readonly key: string;
    readonly id: string;
    readonly mode: string | undefined;
    readonly until: number;
  }

  /** Every version in the bucket, with the retention that the server itself shows. */
  const versionsIn = async ({ place }: BucketBench): Promise<Version[]> => {
    const { client } = await s3Server();
    const { Versions: versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: place.bucket }));
    return Promise.all(
      versions.map(async ({ Key: key = "", VersionId: id = "" }) => {
        const { Retention: shown } = await client.send(new GetObjectRetentionCommand({ Bucket: place.bucket, Key: key, VersionId: id })).catch(() => ({ Retention: undefined }));
        return { key: key.replace("clinic/nightly/", ""), id, mode: shown?.Mode, until: shown?.RetainUntilDate?.getTime() ?? 0 };
      }),
    );
  };

  test("every object of a backup and of the timeline is retained, and no version of it can be deleted; locks and the index are not, and leave one version", async () => {
    const bench = await scene().bucketBench(governance, { repository: "none", objectLock: true });
    const before = Date.now();
    await bench.ok("repository", "init");
    const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
    await bench.ok("backup");
    const versions = await versionsIn(bench);
    const rewritten = ({ key }: { readonly key: string }): boolean => key.includes("/locks/") || key === "ehr/index.jsonl";
    const [rewrites, kept] = [versions.filter(rewritten), versions.filter((version) => !rewritten(version))];
    expect(kept.filter(({ key }) => key.startsWith(`ehr/backups/${id}/`))).toHaveLength(9);
    expect(kept.filter(({ key }) => key.startsWith("timeline/"))).toHaveLength(3);
    expect(kept.filter(({ mode, until }) => mode !== "GOVERNANCE" || until < before + 86_400_000)).toEqual([]);
    expect(rewrites.map(({ key, mode }) => [key, mode])).toEqual([["ehr/index.jsonl", undefined], ["ehr/locks/backup.json", undefined]]);

    const { client } = await s3Server();
    const [manifest] = kept.filter(({ key }) => key.endsWith("/manifest.json"));
    await expect(client.send(new DeleteObjectCommand({ Bucket: bench.place.bucket, Key: `clinic/nightly/${manifest?.key ?? ""}`, VersionId: manifest?.id }))).rejects.toMatchObject({ name: "AccessDenied" });
    await bench.ok("backup", "verify", "--all");
  });

  test("a backup that fails in a locked bucket is hidden, its versions stay, and the operator reads for how long", async () => {
    const bench = await scene().bucketBench(governance, { repository: "none", objectLock: true });
    await bench.ok("repository", "init");
    const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
    bench.env["HOLDFAST_PG_BIN"] = await clients(bench, { pg_dump: "pg_dump-half-then-3" });
    const failed = await bench.run("backup");
    expect(failed.code).toBe(14);
    expect(failed.stderr).toMatch(/what the failed run stored under ehr\/backups\/ehr-\S+ is hidden by delete markers, but its versions stay for the 1 day of their retention/);
    delete bench.env["HOLDFAST_PG_BIN"];
    await expectHoldsExactly(bench, [id]);
    const hidden = (await versionsIn(bench)).filter(({ key }) => key.startsWith("ehr/backups/") && !key.includes(id));
    expect(hidden.length).toBeGreaterThan(0);
    expect(hidden.filter(({ mode }) => mode !== "GOVERNANCE")).toEqual([]);
    await bench.ok("backup");
  });

  test("a bucket without object lock is refused before anything counts, and nothing is left", async () => {
    const bench = await scene().bucketBench(governance);
    const failed = await bench.run("backup");
    expect(failed.code).toBe(15);
    expect(failed.stderr).toMatch(/bucket "\S+" has no object lock, so \S+ cannot be retained/);
    await expectHoldsExactly(bench, [scene().backup.id]);
  });
}
