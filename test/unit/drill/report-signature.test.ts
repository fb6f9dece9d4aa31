/** The commands that the reports print are run as they stand, by a shell, with openssl. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { generateSigningKey, loadSigner } from "../../../src/catalog/signatures.ts";
import { type Evidence, serializeEvidence } from "../../../src/drill/evidence/evidence.ts";
import { renderReportMarkdown } from "../../../src/drill/report/markdown.ts";
import { signatureSteps } from "../../../src/drill/report/signature.ts";
import { ToolFailure, runTool } from "../../../src/process/run.ts";
import { evidenceOf } from "./evidence-fixture.ts";

interface Case {
  readonly folder: string;
  readonly evidence: Evidence;
  readonly file: (name: string) => string;
}

/** A drill's folder as the repository holds it, beside the previous drill's, with the key that a reader brings. */
async function signedDrill(previousId = "drill-ehr-1"): Promise<Case> {
  const root = await mkdtemp(join(tmpdir(), "holdfast-report-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const key = generateSigningKey();
  const signer = loadSigner(key.privateKeyPem, "a test");
  const previous = Buffer.from("the previous evidence\n");
  const evidence = evidenceOf({ signer: signer.id, previous: { id: previousId, sha256: createHash("sha256").update(previous).digest("hex") } });
  const folder = join(root, evidence.id);
  await mkdir(folder);
  await mkdir(join(root, previousId));
  await writeFile(join(root, previousId, "evidence.json"), previous);
  const bytes = serializeEvidence(evidence);
  await writeFile(join(folder, "evidence.json"), bytes);
  await writeFile(join(folder, "evidence.json.sig"), signer.sign(bytes));
  await writeFile(join(folder, "signer.pem"), key.publicKeyPem);
  return { folder, evidence, file: (name) => join(folder, name) };
}

/** What each command printed, `refused` where it ended with an error. */
async function follow({ folder, evidence }: Case): Promise<string[]> {
  const printed: string[] = [];
  for (const { command } of signatureSteps(evidence)) {
    try {
      printed.push((await runTool(["bash", "-o", "pipefail", "-c"], [`cd "$0" && ${command}`, folder])).stdout.trim());
    } catch (error) {
      if (!(error instanceof ToolFailure)) throw error;
      printed.push("refused");
    }
  }
  return printed;
}

test.each(["drill-ehr-1", "it's $(touch oops) `here`"])("every command prints what the report says, after a drill named %s", async (previousId) => {
  const drill = await signedDrill(previousId);
  expect(await follow(drill)).toEqual(signatureSteps(drill.evidence).map(({ prints }) => prints));
});

test("the whole block of report.md runs as it stands", async () => {
  const { folder, evidence } = await signedDrill();
  const block = /```sh\n(# evidence[\s\S]*?)```/.exec(renderReportMarkdown(evidence))?.[1] ?? "";
  const { stdout } = await runTool(["bash", "-e", "-o", "pipefail", "-c"], [`cd "$0"\n${block}`, folder]);
  expect(stdout.trim().split("\n")).toEqual(signatureSteps(evidence).map(({ prints }) => prints));
});

test("a changed byte of the evidence is refused, and no longer has the report's digest", async () => {
  const drill = await signedDrill();
  const bytes = serializeEvidence(drill.evidence);
  bytes[100] = bytes[100]! ^ 1;
  await writeFile(drill.file("evidence.json"), bytes);
  const steps = signatureSteps(drill.evidence);
  const printed = await follow(drill);
  expect(printed[0]).toBe("refused");
  expect(printed[2]).not.toBe(steps[2]!.prints);
});

test("a stranger's key shows by its id, and does not open the signature", async () => {
  const drill = await signedDrill();
  await writeFile(drill.file("signer.pem"), generateSigningKey().publicKeyPem);
  const printed = await follow(drill);
  expect(printed[0]).toBe("refused");
  expect(printed[1]).toMatch(/^[0-9a-f]{16}$/);
  expect(printed[1]).not.toBe(drill.evidence.signer);
});

test("a deleted previous drill is refused", async () => {
  const drill = await signedDrill();
  await rm(join(drill.folder, "../drill-ehr-1"), { recursive: true });
  expect((await follow(drill))[3]).toBe("refused");
});
