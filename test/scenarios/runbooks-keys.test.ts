/** The shipped runbooks about keys, ransomware and failed restores, executed; and who may execute one at all. */
import { randomBytes } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { databasesLike } from "../harness/context.ts";
import { workbench } from "../harness/cli.ts";
import { createDatabase, dropDatabase, runSql, withSession } from "../harness/postgres.ts";
import { executeRunbook, executeWell, journalOf, shippedFolder } from "../harness/runbooks.ts";

async function bench() {
  const live = `rk_${randomBytes(4).toString("hex")}`;
  onTestFinished(async () => { for (const name of await databasesLike(live)) await dropDatabase(name); });
  const { url } = await createDatabase(live);
  await runSql(live, "CREATE TABLE patients (id int PRIMARY KEY, name text); INSERT INTO patients SELECT n, 'patient ' || n FROM generate_series(1, 100) n");
  const made = await workbench(url);
  await made.ok("repository", "init");
  const { id: backup } = (await made.ok("backup", "--json")).json<{ id: string }>();
  const patients = (database = live) => withSession(database, async (session) => (await session.row<{ n: number }>("SELECT count(*)::int AS n FROM patients")).n);
  return { ...made, live, backup, patients };
}

test("compromised-key takes the old recipient out of every backup, and makes one that it never saw", async () => {
  const made = await bench();
  const old = made.env["HOLDFAST_RECIPIENTS"]!;
  const next = await generateKeys(join(made.folder, "next"));
  const both = join(made.folder, "both.txt");
  await writeFile(both, `${await readFile(made.env["HOLDFAST_IDENTITY_FILE"]!, "utf8")}\n${await readFile(next.files.identity, "utf8")}`);
  const env = { ...made.env, HOLDFAST_IDENTITY_FILE: both };
  const inputs = { recipient: next.recipient, compromised: old };
  // The new recipient is not configured yet: the step that a person does does not hold, whatever was answered.
  const early = await executeRunbook({ ...made, env }, { runbook: "compromised-key", inputs });
  expect(early).toMatchObject({ code: 22, error: { details: { stoppedAt: "recipients", done: ["prove", "timeline"] } } });
  const { id } = await journalOf(made);
  const changed = { ...made, env: { ...env, HOLDFAST_RECIPIENTS: next.recipient } };
  const result = await executeWell(changed, { direction: "resume", id, yesSteps: ["recipients", "rewrap", "credentials", "exposed"] });
  expect(result.outcome).toBe("done");

  const backups = (await made.ok("backup", "list", "--json")).json<{ id: string; label: string | null }[]>();
  expect(backups.map(({ label }) => label)).toEqual(["new-keys", null]);
  made.env["HOLDFAST_IDENTITY_FILE"] = next.files.identity;
  await made.ok("keys", "check", "--minimum", "1");
  made.env["HOLDFAST_IDENTITY_FILE"] = join(made.folder, "keys", "identity.txt");
  expect((await made.run("keys", "check", "--minimum", "1")).code).toBe(12);
  // What is done is done: it is not taken back without a word.
  expect(await executeRunbook(changed, { direction: "abort", id })).toMatchObject({ code: 19, error: { message: expect.stringContaining("(done): nothing of it is done or taken back any more") as string } });
}, 300_000);

test("ransomware restores from a copy into a new account with new keys, after it was proved who signed", async () => {
  const attacked = await bench();
  const copy = `file://${join(attacked.folder, "copy")}`;
  await attacked.ok("repository", "copy", "--to", copy);
  // The new life: another repository, another signing key, the old signer trusted for what it signed; the identity from escrow.
  const target = `${attacked.live}_clean`;
  const keys = await generateKeys(join(attacked.folder, "clean-keys"));
  const trusted = join(attacked.folder, "trusted.pem");
  await writeFile(trusted, `${await readFile(attacked.env["HOLDFAST_TRUSTED_SIGNERS"]!, "utf8")}${await readFile(keys.files.trustedSigners, "utf8")}`);
  const identities = join(attacked.folder, "identities.txt");
  await writeFile(identities, `${await readFile(attacked.env["HOLDFAST_IDENTITY_FILE"]!, "utf8")}\n${await readFile(keys.files.identity, "utf8")}`);
  const clean = await workbench(attacked.env["DATABASE_URL"]!.replace(attacked.live, target), {
    HOLDFAST_RECIPIENTS: keys.recipient, HOLDFAST_IDENTITY_FILE: identities, HOLDFAST_SIGNING_KEY_FILE: keys.files.signingKey, HOLDFAST_TRUSTED_SIGNERS: trusted,
  });
  await clean.ok("repository", "init");
  const request = { runbook: "ransomware", inputs: { copy, backup: attacked.backup, target } };

  // A part that somebody changed in the copy: found before a byte is restored.
  const folder = join(attacked.folder, "copy", "ehr", "backups", attacked.backup);
  const part = join(folder, (await readdir(folder)).find((name) => name.startsWith("data"))!);
  await cp(part, `${attacked.folder}/good`);
  const bytes = await readFile(part);
  bytes[bytes.length - 20]! ^= 1;
  await writeFile(part, bytes);
  const tampered = await executeRunbook(clean, request);
  expect(tampered).toMatchObject({ code: 22, error: { message: expect.stringMatching(/^step prove: dev\.js|^step prove: holdfast|^step prove: node/) as string, details: { stoppedAt: "prove" } } });
  expect(await databasesLike(target)).toEqual([]);
  await cp(`${attacked.folder}/good`, part);
  const { id } = await journalOf(clean);

  await executeWell(clean, { direction: "resume", id, yesSteps: ["agree", "restore", "credentials", "look"] });
  expect(await attacked.patients(target)).toBe(100);
  expect((await clean.ok("backup", "list", "--json")).json<{ label: string }[]>().map(({ label }) => label)).toEqual(["after-ransomware"]);
  expect((await clean.ok("backup", "list", "--from", copy, "--json")).json<object[]>()).toHaveLength(1);
}, 300_000);

test("failed-restore finds the damaged backup, wants what was left removed, and restores another", async () => {
  const made = await bench();
  const { id: second } = (await made.ok("backup", "--json")).json<{ id: string }>();
  const folder = join(made.folder, "repository", "ehr", "backups", second);
  await rm(join(folder, (await readdir(folder)).find((name) => name.startsWith("data"))!));
  const copy = `${made.live}_try`;
  const damaged = await executeRunbook(made, { runbook: "failed-restore", inputs: { live: made.live, backup: second, copy } });
  expect(damaged).toMatchObject({ code: 22, error: { details: { stoppedAt: "prove", done: ["live", "leftovers"] } } });
  await rm(join(made.env["HOLDFAST_STATE_DIR"]!, "rollbacks"), { recursive: true });
  await executeWell(made, { runbook: "failed-restore", inputs: { live: made.live, backup: made.backup, copy } });
  expect(await made.patients(copy)).toBe(100);
  expect(await made.patients()).toBe(100);
}, 300_000);

test("nobody executes a runbook by accident, or one that is not sound", async () => {
  const made = await bench();
  const inputs = { live: made.live };
  const refused = (code: string, message: unknown) => ({ code: code === "refused" ? 19 : code === "usage" ? 2 : code === "not-found" ? 16 : 10, error: { code, message: message as string } });
  expect(await executeRunbook(made, { runbook: "database-only", inputs, confirm: "database" })).toMatchObject(refused("refused", '"database" was typed, but the runbook is database-only'));
  expect(await executeRunbook(made, { runbook: "database-only", inputs, yesSteps: ["swap"] })).toMatchObject(refused("refused", "steps want to be confirmed, and there is no terminal to ask at: stop-writers, start-writers"));
  expect(await executeRunbook(made, { runbook: "database-only", inputs, yesSteps: ["swop"] })).toMatchObject(refused("usage", expect.stringContaining("has no step swop")));
  expect(await executeRunbook(made, { runbook: "database-only" })).toMatchObject(refused("usage", "an input is missing: live"));
  const unsound = join(made.folder, "unsound.md");
  await writeFile(unsound, (await readFile(join(shippedFolder, "database-only.md"), "utf8")).replace("id: swap", "id: prove"));
  expect(await executeRunbook(made, { runbook: unsound, inputs, yesSteps: [], confirm: "database-only" })).toMatchObject(refused("configuration", expect.stringContaining("step prove: its id is that of the step on line 32 too")));
  // Nothing was begun by any of them.
  expect(await readdir(join(made.env["HOLDFAST_STATE_DIR"]!, "rollbacks")).catch(() => [])).toEqual([]);
}, 120_000);

test("runbook list, show, check and new do what they say", async () => {
  const made = await bench();
  const own = join(made.folder, "own");
  await mkdir(own);
  const file = join(made.folder, "holdfast.yaml");
  await writeFile(file, `databases:\n  ehr:\n    rollback:\n      runbooks: ${own}\n`);
  const config = ["--config", file];
  const written = (await made.ok("runbook", "new", "database-only", "--platform", "none", "--json", ...config)).json<{ path: string }>();
  expect(written.path).toBe(join(own, "database-only.md"));
  expect(await made.run("runbook", "new", "database-only", ...config)).toMatchObject({ code: 19, stderr: expect.stringContaining("is there already") as string });
  const list = (await made.ok("runbook", "list", "--json", ...config)).json<{ id: string; origin: string; replaces: boolean }[]>();
  expect(list.filter(({ id }) => id === "database-only").map(({ origin, replaces }) => [origin, replaces])).toEqual([["own", true]]);
  expect(list.length).toBeGreaterThanOrEqual(9);
  await made.ok("runbook", "check", ...config);
  const shown = await made.ok("runbook", "show", "dropped-table", "--input", "table=patients", "--input", `live=${made.live}`, ...config);
  expect(shown.stdout).toContain(`pg_dump --dbname rescue --schema=restored | psql --no-psqlrc -v ON_ERROR_STOP=1 --quiet --single-transaction --dbname ${made.live} -f -`);
  expect(await made.run("runbook", "show", "droped-table")).toMatchObject({ code: 16, stderr: expect.stringContaining("Did you mean dropped-table?") as string });
  expect(await made.run("runbook", "show", "dropped-table", "--input", "tabel=x")).toMatchObject({ code: 2, stderr: expect.stringContaining("did you mean table?") as string });
  await writeFile(written.path, (await readFile(written.path, "utf8")).replace("undo: nothing", "undo: nichts"));
  expect(await made.run("runbook", "check", written.path)).toMatchObject({ code: 10, stderr: expect.stringMatching(/database-only\.md:\d+: step "Look before anything is changed": undo must be a command/) as string });
}, 120_000);
