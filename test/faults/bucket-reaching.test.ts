import { join } from "node:path";
import { readdir, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";

import { readAudit, verifyAudit } from "../../src/app/audit.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";
import { deadEndpoint, startProxy, startSilentServer } from "../harness/wire.ts";
import { expectFault, expectHoldsExactly, expectNoSecrets } from "./leftovers.ts";
import { contextOf, useScene } from "./scene.ts";

const missing = s3Missing();

if (missing !== undefined) {
  test.skip(`a bucket that cannot be reached (${missing})`);
} else {
  const scene = useScene();

  test("a bucket that does not exist is named, with the command that makes it", async () => {
    const bench = await scene().bucketBench();
    bench.env["HOLDFAST_REPOSITORY"] = bench.place.url.replace(bench.place.bucket, "no-such-bucket");
    const { stderr } = await expectFault("bucket missing", bench, ["backup"]);
    expect(stderr).toContain("aws s3api create-bucket --bucket no-such-bucket --endpoint-url http://");
  });

  test("a wrong secret key is told apart from an access key that nobody knows, and shown by neither", async () => {
    const bench = await scene().bucketBench();
    bench.env["HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY"] = "wr0ng/secret+key";
    await expectFault("wrong secret key", bench, ["backup"]);
    bench.env["HOLDFAST_REPOSITORY_ACCESS_KEY_ID"] = "NOBODYSACCESSKEY";
    await expectFault("wrong access key", bench, ["backup"]);
  });

  test("no credentials at all are a matter of configuration", async () => {
    const bench = await scene().bucketBench({ AWS_EC2_METADATA_DISABLED: "true" });
    delete bench.env["HOLDFAST_REPOSITORY_ACCESS_KEY_ID"];
    delete bench.env["HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY"];
    await expectFault("no credentials", bench, ["backup"]);
  });

  test("a server that is down from the start, or never answers, ends every command in time", async () => {
    const bench = await scene().bucketBench();
    bench.env["HOLDFAST_REPOSITORY"] = bench.place.through(await deadEndpoint());
    await expectFault("endpoint down", bench, ["backup"]);
    const { endpoint } = await startSilentServer();
    bench.env["HOLDFAST_REPOSITORY"] = bench.place.through(endpoint);
    await expectFault("silent at start", bench, ["backup"]);
    await expectFault("silent at start", bench, ["restore", "latest", "--into", `${scene().database}_copy`]);
  });

  test("a run whose bucket could not be reached is remembered when the next one reaches it", async () => {
    const bench = await scene().bucketBench();
    const proxy = await startProxy((await s3Server()).endpoint);
    bench.env["HOLDFAST_REPOSITORY"] = bench.place.through(proxy.endpoint);
    await bench.ok("backup", "verify", "latest", "--level", "stat");
    await proxy.cut();
    await expectFault("endpoint down", bench, ["backup", "--reason", "nightly"]);
    await proxy.mend();
    await bench.ok("backup", "verify", "latest", "--level", "stat");
    const { context } = await contextOf(bench);
    expect((await readAudit(context, {})).slice(-2)).toMatchObject([
      { action: "backup", outcome: "failed", code: "store-failed", reason: "nightly", recordedAt: expect.any(String) as unknown },
      { action: "verify", outcome: "ok", recordedAt: null },
    ]);
    expect(await verifyAudit(context)).toMatchObject({ problems: [], warnings: [] });
    const names = await readdir(join(bench.folder, "state", "timeline"));
    expect(await readdir(join(bench.folder, "state", "timeline", names.find((name) => name.endsWith(".pending")) ?? ""))).toEqual([]);
  });

  test("a second backup of the same database into a bucket is refused by the name of the first", async () => {
    const bench = await scene().bucketBench();
    const outcomes = await Promise.all([bench.run("backup", "--json"), bench.run("backup", "--json")]);
    expect(outcomes.map(({ code }) => code).sort((a, b) => a - b)).toEqual([0, 11]);
    const [won, lost] = outcomes[0].code === 0 ? outcomes : [outcomes[1], outcomes[0]];
    expect(lost.json<{ error: { message: string } }>().error.message).toMatch(/^the lock ehr\/locks\/backup\.json is held by backup on .* \(user .*, pid \d+\)/);
    await expectHoldsExactly(bench, [scene().backup.id, won.json<{ id: string }>().id]);
  });

  test("region and endpoint may come from AWS's own variables, credentials from a profile", async () => {
    const { endpoint, credentials } = await s3Server();
    const bench = await scene().bucketBench({ AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_S3: endpoint });
    bench.env["HOLDFAST_REPOSITORY"] = `s3://${bench.place.bucket}/clinic/nightly?path-style=true`;
    delete bench.env["HOLDFAST_REPOSITORY_ACCESS_KEY_ID"];
    delete bench.env["HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY"];
    bench.env["AWS_PROFILE"] = "clinic";
    bench.env["AWS_SHARED_CREDENTIALS_FILE"] = join(bench.folder, "credentials");
    await writeFile(join(bench.folder, "credentials"), `[clinic]\naws_access_key_id = ${credentials.accessKeyId}\naws_secret_access_key = ${credentials.secretAccessKey}\n`, { mode: 0o600 });
    const outcome = await bench.ok("backup", "--json");
    await expectNoSecrets(bench, outcome);
    await expectHoldsExactly(bench, [scene().backup.id, outcome.json<{ id: string }>().id]);
  });

  test("region and endpoint may come from the profile too", async () => {
    const { endpoint, credentials } = await s3Server();
    const bench = await scene().bucketBench();
    bench.env["HOLDFAST_REPOSITORY"] = `s3://${bench.place.bucket}/clinic/nightly?path-style=true`;
    delete bench.env["HOLDFAST_REPOSITORY_ACCESS_KEY_ID"];
    delete bench.env["HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY"];
    bench.env["AWS_PROFILE"] = "clinic";
    bench.env["AWS_CONFIG_FILE"] = join(bench.folder, "aws-config");
    const profile = ["[profile clinic]", "region = us-east-1", `endpoint_url = ${endpoint}`, `aws_access_key_id = ${credentials.accessKeyId}`, `aws_secret_access_key = ${credentials.secretAccessKey}`];
    await writeFile(join(bench.folder, "aws-config"), `${profile.join("\n")}\n`, { mode: 0o600 });
    await bench.ok("backup", "verify", "latest", "--level", "stat");
  });

  test("credentials may be our own variables, or files that these name, and win over AWS's", async () => {
    const { credentials } = await s3Server();
    const bench = await scene().bucketBench({ AWS_ACCESS_KEY_ID: "nobody", AWS_SECRET_ACCESS_KEY: "nothing-at-all" });
    await bench.ok("backup", "verify", "latest", "--level", "stat");
    for (const [name, value] of [["ACCESS_KEY_ID", credentials.accessKeyId], ["SECRET_ACCESS_KEY", credentials.secretAccessKey]] as const) {
      bench.env[`HOLDFAST_REPOSITORY_${name}`] = "";
      bench.env[`HOLDFAST_REPOSITORY_${name}_FILE`] = join(bench.folder, name);
      await writeFile(join(bench.folder, name), `${value}\n`, { mode: 0o600 });
    }
    const { stdout, stderr } = await bench.ok("config", "show");
    expect(stdout + stderr).not.toContain(credentials.secretAccessKey);
    await bench.ok("backup", "verify", "latest", "--level", "stat");
  });

  test("the storage class is asked for with every object", async () => {
    const sent: string[] = [];
    const proxy = await startProxy((await s3Server()).endpoint, { sees: (bytes) => { sent.push(bytes.toString("latin1")); } });
    const bench = await scene().bucketBench({ HOLDFAST_REPOSITORY_STORAGE_CLASS: "STANDARD_IA" });
    bench.env["HOLDFAST_REPOSITORY"] = bench.place.through(proxy.endpoint);
    const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
    const requests = sent.join("").match(/PUT \S+ HTTP\/1\.1\r\n(?:\S+: .*\r\n)*/g) ?? [];
    const ofTheBackup = requests.filter((request) => request.includes(`/backups/${id}/`));
    expect(ofTheBackup.length).toBeGreaterThanOrEqual(9);
    expect(ofTheBackup.filter((request) => !/^x-amz-storage-class: STANDARD_IA\r$/im.test(request))).toEqual([]);
    await expectHoldsExactly(bench, [scene().backup.id, id]);
  });
}
