import { execa } from "execa";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { journalBench } from "./journal-bench.ts";

test("a stranger proves two entries of a journal with openssl and sha256sum, as FORMAT.md says", async () => {
  const bench = await journalBench();
  const journal = await bench.open();
  await journal.append({ kind: "step-begun", step: "stop" });
  await journal.append({ kind: "step-done", step: "stop", facts: { stopped: 2 }, found: false });
  const folder = await mkdtemp(join(tmpdir(), "holdfast-format-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "trusted-signers.pem"), bench.signer.publicKeyPem);
  const records: string[] = [];
  for (const key of bench.keys()) {
    const { record, signature } = JSON.parse(bench.store.objects.get(key)!.bytes.toString()) as { record: string; signature: string };
    records.push(record);
    await writeFile(join(folder, "record"), record);
    await writeFile(join(folder, "record.sig"), Buffer.from(signature, "base64"));
    const verify = () => execa("openssl", ["pkeyutl", "-verify", "-pubin", "-inkey", "trusted-signers.pem", "-rawin", "-in", "record", "-sigfile", "record.sig"], { cwd: folder, reject: false });
    expect((await verify()).stdout).toContain("Signature Verified Successfully");
    await writeFile(join(folder, "record"), `${record} `);
    expect((await verify()).exitCode).not.toBe(0);
  }
  const { stdout } = await execa("sha256sum", { input: records[0] ?? "" });
  expect((JSON.parse(records[1] ?? "") as { previous: string }).previous).toBe(stdout.split(" ")[0]);
});
