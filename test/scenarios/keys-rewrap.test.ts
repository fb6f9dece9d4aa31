/** Who can open the backups, changed and checked, with the age that everybody has beside us. */
import { execa } from "execa";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { lockKey } from "../../src/catalog/layout.ts";
import { generateIdentity } from "../../src/pipeline/age-keys.ts";
import { openStore } from "../../src/store/open.ts";
import { acquireLock } from "../../src/lock/lease.ts";
import { lastEntry } from "../faults/leftovers.ts";
import { type FaultBench, useScene } from "../faults/scene.ts";

const scene = useScene();

interface Person {
  readonly identity: string;
  readonly recipient: string;
  readonly file: string;
}

/** Somebody with a fresh identity, as age-keygen makes it. */
async function person(bench: FaultBench, name: string): Promise<Person> {
  const file = join(bench.folder, `${name}.txt`);
  await execa("age-keygen", ["-o", file]);
  const { stdout: recipient } = await execa("age-keygen", ["-y", file]);
  return { file, recipient, identity: /AGE-SECRET-KEY-\S+/.exec(await readFile(file, "utf8"))![0] };
}

async function atHand(bench: FaultBench, ...files: string[]): Promise<void> {
  const together = join(bench.folder, "at-hand.txt");
  await writeFile(together, (await Promise.all(files.map((file) => readFile(file, "utf8")))).join("\n"));
  bench.env["HOLDFAST_IDENTITY_FILE"] = together;
}

const keyOf = (bench: FaultBench): string => join(bench.repository, "ehr", "backups", scene().backup.id, "key.age");
const ageOpens = async (bench: FaultBench, who: string): Promise<boolean> => (await execa("age", ["-d", "-i", who, keyOf(bench)], { reject: false })).exitCode === 0;

interface Verdict {
  readonly ok: boolean;
  readonly stanzas: number;
  readonly recipients: string[];
  readonly source: string;
  readonly identities: { recipient: string; opens: boolean }[];
  readonly missing: string[];
  readonly former: string[];
  readonly warnings: string[];
}

test("a rotation: added, checked, removed; age opens with the new identity and not with the old, and everything restores", async () => {
  const bench = await scene().bench();
  const own = bench.env["HOLDFAST_IDENTITY_FILE"]!;
  const ownRecipient = bench.env["HOLDFAST_RECIPIENTS"]!;
  const next = await person(bench, "next");
  const escrow = await person(bench, "escrow");
  await atHand(bench, own, next.file);

  const dry = (await bench.ok("keys", "rewrap", "--add", `${next.recipient},${escrow.recipient}`, "--dry-run", "--json")).json<{ backups: object[] }>();
  expect(dry).toMatchObject({ dryRun: true, backups: [{ outcome: "planned", recipients: [ownRecipient, next.recipient, escrow.recipient] }] });
  expect(await ageOpens(bench, next.file)).toBe(false);

  const added = await bench.ok("keys", "rewrap", "--add", next.recipient, "--add", escrow.recipient);
  expect(added.stdout).toMatch(/rewrapped 1 of 1 backups, each read back and opened/);
  expect(added.stdout).toMatch(/new backups do not go to age1\S+, age1\S+ yet/);
  expect([await ageOpens(bench, own), await ageOpens(bench, next.file), await ageOpens(bench, escrow.file)]).toEqual([true, true, true]);

  const removed = await bench.ok("keys", "rewrap", "--remove", ownRecipient, "--reason", "on-call rotation");
  expect(removed.stdout).toContain("whoever copied key.age before");
  expect([await ageOpens(bench, own), await ageOpens(bench, next.file), await ageOpens(bench, escrow.file)]).toEqual([false, true, true]);
  expect(await lastEntry(bench)).toMatchObject({ action: "keys rewrap", outcome: "ok", reason: "on-call rotation", subject: { remove: ownRecipient, rewrapped: "1", failed: "0" } });

  const [verdict] = (await bench.ok("keys", "check", "--json")).json<Verdict[]>();
  expect(verdict).toMatchObject({ ok: true, stanzas: 2, recipients: [next.recipient, escrow.recipient], source: "record", missing: [ownRecipient], former: [next.recipient, escrow.recipient] });
  expect(verdict!.identities).toEqual([{ recipient: ownRecipient, opens: false }, { recipient: next.recipient, opens: true }]);
  await bench.ok("backup", "verify", "--all", "--level", "archive");

  bench.env["HOLDFAST_IDENTITY_FILE"] = own;
  const refused = await bench.run("keys", "check", "--json");
  expect(refused.code).toBe(12);
  expect(refused.json()).toMatchObject({ error: { code: "cannot-decrypt", details: { backups: [{ ok: false, stanzas: 2, error: { code: "cannot-decrypt" } }] } } });
  const restore = await bench.run("backup", "verify", "latest", "--level", "archive");
  expect(restore.stderr).toContain(`At its last rewrap, it was encrypted to ${next.recipient}`);
}, 240_000);

test("the stock tools open a rewrapped backup, also one whose rewrap was cut short before its signature", async () => {
  const bench = await scene().bench();
  const { file: next, recipient } = await person(bench, "next");
  await atHand(bench, bench.env["HOLDFAST_IDENTITY_FILE"]!, next);
  const old = await readFile(`${keyOf(bench)}.sig`);
  await bench.ok("keys", "rewrap", "--add", recipient);
  const folder = join(bench.repository, "ehr", "backups", scene().backup.id);
  const page = await readFile(join(import.meta.dirname, "../../src/catalog/FORMAT.md"), "utf8");
  const block = /```sh\n(.*?)```/s.exec(page.split("\n## Recovery by hand\n")[1]!)![1]!;
  // The page's own checks of manifest and key, and its opening of the key.
  const script = block.slice(0, block.indexOf("# 3. Are the parts")) + 'age -d -i me.txt key.age > key.txt || stop "your identity does not open this backup"\nage -d -i key.txt globals.sql.zst.age | zstd -dcq | head -1\n';
  await writeFile(join(folder, "me.txt"), await readFile(next));
  await writeFile(join(folder, "signer.pem"), await readFile(bench.env["HOLDFAST_TRUSTED_SIGNERS"]!));
  const run = () => execa("bash", ["-c", script], { cwd: folder, reject: false });
  expect(await run()).toMatchObject({ exitCode: 0 });
  await writeFile(`${keyOf(bench)}.sig`, old);
  expect(await run()).toMatchObject({ exitCode: 0 });
  await writeFile(join(folder, "key.json"), "{}");
  expect(await run()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("STOP: key.age is not of this backup") as string });
});

test("each mistake has its own exit code, and changes nothing", async () => {
  const bench = await scene().bench();
  const own = bench.env["HOLDFAST_RECIPIENTS"]!;
  const next = await person(bench, "next");
  const before = await readFile(keyOf(bench));
  const wrong = async (code: number, says: string | RegExp, ...args: string[]) => {
    const outcome = await bench.run("keys", "rewrap", ...args);
    expect(outcome.stderr).toMatch(says);
    expect(outcome.code, outcome.stderr).toBe(code);
    expect(await readFile(keyOf(bench))).toEqual(before);
  };
  await wrong(2, "neither --add nor --remove names a recipient");
  await wrong(2, "--add: recipient \"age1nonsense\" is not a valid age recipient", "--add", "age1nonsense");
  await wrong(2, "--add: a recipient is an age secret key", "--add", next.identity);
  await wrong(2, "is both added and removed", "--add", own, "--remove", own);
  await wrong(16, "no backup is or was encrypted to", "--add", own, "--remove", next.recipient);
  await wrong(16, "no database crm in", "--database", "crm", "--add", next.recipient);
  await wrong(19, "would have no recipient left", "--remove", own, "--below-minimum");
  await wrong(19, "none of the 1 identities at hand would open backup", "--add", next.recipient, "--remove", own);
  const locked = await acquireLock(await openStore(bench.env["HOLDFAST_REPOSITORY"]!), lockKey("ehr", "backup"), { action: "backup", actor: { user: "x", host: "other-host" }, clock: { now: () => new Date() } });
  await wrong(11, "held by backup on other-host", "--add", next.recipient);
  await locked.release();
  bench.env["HOLDFAST_IDENTITY_FILE"] = next.file;
  await wrong(12, "none of the 1 identities at hand opens backup", "--add", next.recipient);
  delete bench.env["HOLDFAST_IDENTITY_FILE"];
  await wrong(12, "no identity is configured", "--add", next.recipient);
  delete bench.env["HOLDFAST_SIGNING_KEY_FILE"];
  bench.env["HOLDFAST_IDENTITY_FILE"] = bench.good["HOLDFAST_IDENTITY_FILE"]!;
  await wrong(10, "no signing key is configured", "--add", next.recipient);
}, 240_000);

test("below the minimum is refused unless it is said, and keys check warns of it", async () => {
  const bench = await scene().bench();
  const own = bench.env["HOLDFAST_RECIPIENTS"]!;
  const { recipient } = await person(bench, "next");
  const alone = await bench.ok("keys", "check", "--json");
  expect(alone.json<Verdict[]>()[0]!.warnings).toEqual([expect.stringContaining("only 1 key opens it, fewer than 2")]);
  expect(alone.stderr).toContain("only 1 key opens it, fewer than 2");
  await bench.ok("keys", "rewrap", "--add", recipient);
  expect((await bench.ok("keys", "check", "--json")).json<Verdict[]>()[0]!.warnings).toEqual([]);
  expect((await bench.ok("keys", "check", "--minimum", "3", "--json")).json<Verdict[]>()[0]!.warnings).toHaveLength(1);
  const refused = await bench.run("keys", "rewrap", "--remove", recipient);
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringContaining("would be opened by 1 key instead of 2, but at least 2 are wanted")]);
  await bench.ok("keys", "rewrap", "--remove", recipient, "--below-minimum");
  expect((await bench.ok("keys", "check", "--json")).json<Verdict[]>()[0]!.recipients).toEqual([own]);
}, 240_000);

test("a damaged, missing or foreign sidecar and a forged key.json are 17, and the other backups are done all the same", async () => {
  const bench = await scene().bench();
  await bench.ok("backup", "--quiet");
  const { recipient } = await person(bench, "next");
  const good = await readFile(keyOf(bench));
  await bench.ok("keys", "rewrap", "--add", recipient);
  const [now, record] = [await readFile(keyOf(bench)), await readFile(keyOf(bench).replace(".age", ".json"))];
  const checked = async (says: string | RegExp) => {
    const outcome = await bench.run("keys", "check");
    expect([outcome.code, outcome.stderr]).toEqual([17, expect.stringMatching(says)]);
    expect(outcome.stderr).toContain("1 of 2 backups failed the check of their keys");
  };
  await writeFile(keyOf(bench), Buffer.concat([now.subarray(0, -1), Buffer.from([now.at(-1)! ^ 1])]));
  await checked(/key.age is damaged, unsigned, or belongs to another backup/);
  await writeFile(keyOf(bench), good);
  await checked(/key.age is damaged, unsigned, or belongs to another backup/);
  const third = await person(bench, "third");
  const partly = await bench.run("keys", "rewrap", "--add", third.recipient);
  expect([partly.code, partly.stderr]).toEqual([17, expect.stringContaining("1 of 2 backups were not rewrapped")]);
  expect(await lastEntry(bench)).toMatchObject({ action: "keys rewrap", outcome: "failed", code: "integrity", subject: { rewrapped: "1", failed: "1" } });
  await rm(keyOf(bench));
  await checked(/key.age is missing/);
  await writeFile(keyOf(bench), now);
  await writeFile(keyOf(bench).replace(".age", ".json"), record.toString().replace(recipient, (await generateIdentity()).recipient));
  await checked(/key.json was changed, or a stranger signed it/);
  await writeFile(keyOf(bench).replace(".age", ".json"), record);
  await bench.ok("keys", "check");
}, 240_000);
