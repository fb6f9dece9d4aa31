/** The commands of docs/keys.md, run as they stand there, and a signing key through its whole life. */
import { execa } from "execa";
import { chmod, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

import { verifyAudit } from "../../src/app/audit.ts";
import { checkBackupKeys } from "../../src/app/keys/check-keys.ts";
import { createBackup } from "../../src/app/backup/create-backup.ts";
import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { listDatabaseBackups } from "../../src/app/backup/show-backups.ts";
import { writeKeySidecar } from "../../src/catalog/key-sidecar.ts";
import { backupId } from "../../src/catalog/layout.ts";
import { publishManifest } from "../../src/catalog/publishing.ts";
import { loadSigner } from "../../src/catalog/signatures.ts";
import { openStore } from "../../src/store/open.ts";
import { contextOf, useScene } from "../faults/scene.ts";

const scene = useScene();

test("every command of docs/keys.md does what the page says", async () => {
  const bench = await scene().bench();
  await bench.ok("backup", "--quiet");
  await cp(dirname(bench.env["HOLDFAST_SIGNING_KEY_FILE"]!), join(bench.folder, "old"), { recursive: true });
  await generateKeys(join(bench.folder, "next"));
  const bin = join(bench.folder, "bin");
  await mkdir(bin);
  const starter = join(import.meta.dirname, "..", "..", "bin", "dev.js");
  await writeFile(join(bin, "holdfast"), `#!/bin/sh\nexec ${process.execPath} ${starter} "$@"\n`);
  await chmod(join(bin, "holdfast"), 0o755);

  const page = await readFile(join(import.meta.dirname, "../../docs/keys.md"), "utf8");
  const blocks = [...page.matchAll(/^( *)```sh\n([\s\S]*?)^ *```$/gm)].map(([, , block = ""]) => block);
  const proof = [...page.matchAll(/`(HOLDFAST_IDENTITY_FILE=next\S+ holdfast keys check)`/g)].map(([, command = ""]) => command);
  expect([blocks.length, proof.length]).toEqual([7, 1]);
  const run = (script: string, more: Record<string, string> = {}) =>
    execa("bash", ["-euo", "pipefail", "-c", script], { cwd: bench.folder, extendEnv: false, env: { ...bench.env, HOME: bench.folder, PATH: `${bin}:${process.env["PATH"] ?? ""}`, ID: scene().backup.id, ...more } });
  for (const [index, block] of blocks.entries()) {
    const { stdout } = await run(block.replaceAll("2027-01-08", "2099-01-08").replaceAll("2027-01-01T", "2098-01-01T"));
    expect(stdout !== "" || block.includes("cat old"), block).toBe(true);
    if (block.includes("yearly rotation")) await run(proof[0]!);
    if (index === blocks.length - 1) expect(stdout).toContain("backup shred");
  }
  await run("holdfast backup list && holdfast doctor", { HOLDFAST_TRUSTED_SIGNERS: join(bench.folder, "trusted-signers.pem"), HOLDFAST_IDENTITY_FILE: join(bench.folder, "next", "identity.txt") });
}, 240_000);

test("a signing key that was rotated out keeps its backups, signs no more, and cannot date back unnoticed", async () => {
  const bench = await scene().bench();
  const old = scene().backup;
  const oldKey = bench.env["HOLDFAST_SIGNING_KEY_FILE"]!;
  const next = await generateKeys(join(bench.folder, "signer-next"));
  const end = new Date().toISOString();
  const [before, after] = await Promise.all([bench.env["HOLDFAST_TRUSTED_SIGNERS"]!, next.files.trustedSigners].map((file) => readFile(file, "utf8")));
  bench.env["HOLDFAST_TRUSTED_SIGNERS"] = join(bench.folder, "trusted.pem");
  await writeFile(join(bench.folder, "trusted.pem"), `# valid-until: ${end}\n${before}# valid-from: ${old.startedAt}\n${after}`);
  const { context: stale } = await contextOf(bench);
  await expect(createBackup(stale, {})).rejects.toMatchObject({ code: "configuration", exitCode: 10, message: expect.stringContaining(`counts until ${end} only, but it is`) as string });

  bench.env["HOLDFAST_SIGNING_KEY_FILE"] = next.files.signingKey;
  const { context } = await contextOf(bench);
  const { manifest } = await createBackup(context, {});
  expect((await listDatabaseBackups(context)).map(({ id }) => id)).toEqual([manifest.id, old.id]);
  expect((await checkBackupKeys(context, { minimum: 1 })).map(({ ok }) => ok)).toEqual([true, true]);
  // The entry of the old backup, and the refused one, are good: unsigned is what a retired key leaves.
  expect((await verifyAudit(context)).problems).toEqual([]);

  const forger = loadSigner(await readFile(oldKey, "utf8"), "a thief");
  const store = await openStore(bench.env["HOLDFAST_REPOSITORY"]!);
  const forged = { ...old, id: backupId("ehr", new Date(old.startedAt), "dead"), signer: next.signer };
  await writeKeySidecar(store, forged, old.encryption.recipient, await readFile(join(bench.repository, "ehr", "backups", old.id, "key.age")), forger);
  await publishManifest(store, forged, forger);
  await expect(checkBackupKeys(context, { minimum: 1 })).rejects.toMatchObject({ code: "integrity", message: expect.stringMatching(/1 of 3 backups .* the timeline does not know that it was made: it may be dated back/) as string });
}, 120_000);

test("dates that are none are exit 10, whatever is asked for", async () => {
  const bench = await scene().bench();
  const file = join(bench.folder, "trusted.pem");
  await writeFile(file, `# valid-until: tomorrow\n${await readFile(bench.env["HOLDFAST_TRUSTED_SIGNERS"]!, "utf8")}`);
  bench.env["HOLDFAST_TRUSTED_SIGNERS"] = file;
  expect(await bench.run("backup", "list")).toMatchObject({ code: 10, stderr: expect.stringContaining('valid-until "tomorrow", which is not an instant with a time zone') as string });
});
