/** Rehearsals of the database alone, and what becomes of their evidence in the hands of somebody who can write to the repository. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect, createServer as createListener } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { checkRepository } from "../../../src/app/repository/check-repository.ts";
import { backupKey, manifestFile, signatureSuffix } from "../../../src/catalog/layout.ts";
import { generateSigningKey, loadSigner } from "../../../src/catalog/signatures.ts";
import { renderRehearsal } from "../../../src/cli/rehearsal-view.ts";
import { drillDefaults, type SmokeTest } from "../../../src/config/drill-settings.ts";
import { engineAt } from "../../../src/rollback/rehearsal/compose/engine.ts";
import { throughContainer } from "../../../src/rollback/rehearsal/compose/carry.ts";
import { openRelay } from "../../../src/rollback/rehearsal/relay.ts";
import { reachable } from "../../../src/rollback/rehearsal/trial.ts";
import { bench, type Bench } from "../../harness/context.ts";
import { tampering, testServerScratch } from "../../harness/drills.ts";
import { createDatabase, runSql } from "../../harness/postgres.ts";
import { checkpointOf, outcomeOf, rehearse, type RehearsalEnding, rehearsals } from "../../harness/rehearsals.ts";

const alone = { platform: "none", address: { database: "ehr" }, workloads: [], settings: [] } as const;
const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);

/** A clinic with a checkpoint that goes back to 1.4.1, and how it is rehearsed on the test server. */
async function clinic(smoke?: SmokeTest): Promise<Bench & { readonly url: string; rehearse(tamper?: string): Promise<RehearsalEnding> }> {
  const { name, url } = await createDatabase();
  await runSql(name, "CREATE TABLE patients (id int PRIMARY KEY, name text); INSERT INTO patients SELECT i, 'Ada Canary ' || i FROM generate_series(1, 50) i");
  const here = await bench(url, { database: { digests: "all", drill: { ...drillDefaults, smoke } } });
  await checkpointOf(here, { ...alone, workloads: [], settings: [] }, "1.4.1");
  const place = testServerScratch(here, url);
  return { ...here, url, rehearse: (tamper) => rehearse(here, { providers: [tamper === undefined ? place : tampering(place, tamper)], to: "1.4.1" }) };
}

test("a backup without a platform is restored, compared and tried, and the evidence says that no image was started", async () => {
  const here = await clinic({ command: ["sh", "-c", "test -n \"$DATABASE_URL\""], timeoutMs: 10_000 });
  const { evidence, result, error } = await here.rehearse();
  expect(error).toBeUndefined();
  expect(evidence).toMatchObject({ verdict: "pass", platform: "none", images: [], isolation: { place: null, measures: [expect.stringContaining("no image was started")] }, removed: { removed: true } });
  expect(outcomeOf(evidence, "smoke")).toMatch(/^pass/);
  expect(outcomeOf(evidence, "digests")).toMatch(/^pass/);
  expect(renderRehearsal(result!)).toMatch(/PASS: backup ehr-\S+ held in all \d+ checks that were made\nrelease {5}1\.4\.1, from checkpoint after-1\.4\.1-/);
  expect(JSON.stringify(evidence)).not.toContain("Ada Canary");
});

test("a copy with a row less fails, and so does an application that refuses it", async () => {
  const here = await clinic();
  const less = await here.rehearse("DELETE FROM public.patients WHERE id = 7");
  expect(less.error).toMatchObject({ code: "drill-failed", exitCode: 20, message: expect.stringMatching(/^the rehearsal failed: backup \S+ did not hold in/) as string });
  expect(outcomeOf(less.evidence, "rows")).toMatch(/^fail/);
  const refusing = await clinic({ command: ["false"], timeoutMs: 10_000 });
  expect(outcomeOf((await refusing.rehearse()).evidence, "smoke")).toMatch(/^fail: the command exited with 1/);
});

test("a backup other than the checkpoint was taken with, or none, fails before it is fetched", async () => {
  const here = await clinic();
  const [manifest] = [await here.backup()];
  await checkpointOf(here, { ...alone, workloads: [], settings: [] }, "1.4.2", { backup: { id: manifest.id, snapshotAt: manifest.snapshotAt, manifestSha256: "0".repeat(64), reused: true } });
  const place = testServerScratch(here, here.url);
  const other = await rehearse(here, { providers: [place], to: "1.4.2" });
  expect(other.error).toMatchObject({ code: "drill-failed" });
  expect(outcomeOf(other.evidence, "checkpoint")).toMatch(/^fail: the manifest of backup \S+ has the SHA-256/);
  const file = join(here.folder, "repository", backupKey("ehr", manifest.id, manifestFile));
  await rm(file);
  await rm(file + signatureSuffix);
  const gone = await rehearse(here, { providers: [place], to: "1.4.2" });
  expect(outcomeOf(gone.evidence, "signature")).toMatch(/^fail: backup \S+, which the checkpoint was taken with, is not in the repository any more/);
  expect(outcomeOf(gone.evidence, "restore")).toMatch(/^unverified: not reached/);
});

test("a target that is not there, and a platform that is not configured, are refused before anything is made", async () => {
  const here = await clinic();
  expect(await caught(rehearse(here, { to: "9.9.9" }))).toMatchObject({ code: "not-found", exitCode: 16 });
  await checkpointOf(here, { ...alone, platform: "compose", workloads: [], settings: [] }, "1.4.2");
  expect(await caught(rehearse(here, { to: "1.4.2" }))).toMatchObject({ code: "configuration", exitCode: 10 });
  await checkpointOf(here, { ...alone, platform: "kubernetes", workloads: [], settings: [] }, "1.4.3");
  expect(await caught(rehearse(here, { to: "1.4.3" }))).toMatchObject({ code: "configuration", message: "nothing is configured about the deployment of ehr" });
  expect(await rehearsals(here)).toEqual([]);
});

const options = { level: "stat", repair: false, graceMs: 0 } as const;
const damage = async ({ context }: Bench) => (await checkRepository(context, options)).findings.filter(({ kind }) => kind === "rehearsal").map(({ severity, key, detail }) => ({ severity, id: /rehearsals\/(.+)\.json/.exec(key)?.[1], detail }));

test("evidence that was changed, unsigned, moved, signed by a stranger or removed does not count, and the repository's check names it", async () => {
  const here = await clinic();
  const [first, second] = [(await here.rehearse()).evidence, (await here.rehearse("DELETE FROM public.patients WHERE id = 7")).evidence];
  expect(second).toMatchObject({ verdict: "fail", previous: { id: first.id } });
  expect(await damage(here)).toEqual([]);
  const fileOf = (id: string): string => join(here.folder, "repository", "ehr", "rehearsals", `${id}.json`);
  const [firstBytes, bytes, signature] = await Promise.all([readFile(fileOf(first.id)), readFile(fileOf(second.id)), readFile(fileOf(second.id) + signatureSuffix)]);
  expect(second.previous?.sha256).toBe(createHash("sha256").update(firstBytes).digest("hex"));
  const restore = async (): Promise<void> => {
    await writeFile(fileOf(second.id), bytes);
    await writeFile(fileOf(second.id) + signatureSuffix, signature);
  };
  const stranger = loadSigner(generateSigningKey().privateKeyPem, "a stranger");
  const forged = Buffer.from(bytes.toString().replace('"verdict": "fail"', '"verdict": "pass"'));
  const crimes: readonly [() => Promise<unknown>, RegExp][] = [
    [() => writeFile(fileOf(second.id), forged), /was changed, or a stranger signed it/],
    [() => rm(fileOf(second.id) + signatureSuffix), /is not signed/],
    [async () => { await writeFile(fileOf(second.id), forged); await writeFile(fileOf(second.id) + signatureSuffix, stranger.sign(forged)); }, /was changed, or a stranger signed it/],
    [async () => { await writeFile(fileOf(second.id), firstBytes); await writeFile(fileOf(second.id) + signatureSuffix, await readFile(fileOf(first.id) + signatureSuffix)); }, /says it is .*: it was moved or copied/],
    [async () => { await rm(fileOf(second.id)); await rm(fileOf(second.id) + signatureSuffix); }, /^removed: the timeline names it$/],
  ];
  for (const [commit, said] of crimes) {
    await commit();
    expect(await damage(here), String(said)).toEqual([{ severity: "damage", id: second.id, detail: expect.stringMatching(said) as string }]);
    expect((await rehearsals(here)).flatMap(({ evidence }) => evidence?.verdict ?? [])).toEqual(["pass"]);
    await restore();
  }
  await rm(fileOf(first.id));
  expect(await damage(here)).toEqual([{ severity: "damage", id: first.id, detail: `removed: rehearsal ${second.id} follows it` }]);
});

/** Runs on this host what would be run inside of a container. */
const hostEngine = engineAt(["sh", "-c", "while [ \"$1\" != sh ]; do shift; done; exec \"$@\"", "engine"]);

test("the trial of a way out and the relay also work with bash, and say what does not open", async () => {
  const server = createServer((_request, response) => { response.end("here"); }).listen(0, "127.0.0.1");
  const silent = createListener().listen(0, "127.0.0.1");
  onTestFinished(() => { server.close(); silent.close(); });
  await Promise.all([once(server, "listening"), once(silent, "listening")]);
  const [port, quiet] = [server, silent].map((each) => (each.address() as AddressInfo).port) as [number, number];
  expect(await reachable((...command) => hostEngine.run("exec", "nobody", ...command), [{ host: "127.0.0.1", port }, { host: "127.0.0.1", port: quiet }, { host: "127.0.0.1", port: 1 }])).toEqual(new Set([`127.0.0.1 ${port}`, `127.0.0.1 ${quiet}`]));
  expect(await reachable((...command) => engineAt(["false"]).run(...command), [])).toBeUndefined();

  const relay = await openRelay(throughContainer(hostEngine, "nobody", { host: "127.0.0.1", port }));
  expect(await (await fetch(`http://127.0.0.1:${relay.port}/`)).text()).toBe("here");
  await relay.close();
  expect(await caught(new Promise((resolve, reject) => connect(relay.port, "127.0.0.1", () => { resolve(undefined); }).once("error", reject)))).toMatchObject({ code: "ECONNREFUSED" });
  const nowhere = await openRelay(throughContainer(hostEngine, "nobody", { host: "127.0.0.1", port: 1 }));
  expect(await caught(fetch(`http://127.0.0.1:${nowhere.port}/`))).toBeInstanceOf(TypeError);
  await nowhere.close();
});
