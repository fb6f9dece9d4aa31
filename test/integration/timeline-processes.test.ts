/** The timeline written by several processes at once, on the real stores. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { openTimeline } from "../../src/audit/timeline.ts";
import { verifyTimeline } from "../../src/audit/verify.ts";
import { generateSigningKey, loadSigner, loadTrustedSigners } from "../../src/catalog/signatures.ts";
import { runTool } from "../../src/process/run.ts";
import { openStore } from "../../src/store/open.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";
import { collect } from "../harness/streams.ts";
import { temporaryFolder } from "../unit/audit/fixture.ts";

const writer = join(import.meta.dirname, "..", "fixtures", "timeline-writer.ts");
const names = ["a", "b", "c", "d"];
const each = 10;

/** Four processes record at once; `hosts` keep state of their own or share one. */
async function race(location: string, hosts: "one host" | "four hosts", env: Record<string, string> = {}): Promise<void> {
  const folder = await temporaryFolder();
  const pair = generateSigningKey();
  const keyFile = join(folder, "key.pem");
  await writeFile(keyFile, pair.privateKeyPem, { mode: 0o600 });
  const stateOf = (name: string): string => join(folder, hosts === "one host" ? "state" : name);
  await Promise.all(names.map((name) => runTool([process.execPath], [writer, location, stateOf(name), "repo", keyFile, name, String(each)], { env })));

  Object.assign(process.env, env);
  const store = await openStore(location);
  const timeline = (name: string) =>
    openTimeline({ store, stateDir: stateOf(name), repositoryId: "repo", signer: loadSigner(pair.privateKeyPem, "test"), clock: { now: () => new Date() }, actor: { user: "backup", host: name, operator: null, tty: false }, version: "0.0.0" });
  // One more of each brings whatever had to wait.
  for (const name of names) expect(await timeline(name).record({ action: "verify", subject: {}, outcome: "ok", seconds: 0 })).toBe("repository");

  const entries = await collect(timeline("a").read());
  const told = entries.flatMap(({ action, subject }) => (action === "backup" ? [subject["backup"] ?? ""] : []));
  expect(told.sort()).toEqual(names.flatMap((name) => Array.from({ length: each }, (_, n) => `${name}-${n + 1}`)).sort());
  expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, n) => n + 1));
  const trusted = loadTrustedSigners(pair.publicKeyPem, "test");
  for (const name of names) {
    const { localCopy } = timeline(name);
    expect(await verifyTimeline(store, { trusted, local: localCopy })).toMatchObject({ entries: 44, signed: 44, problems: [], warnings: [] });
    expect(await timeline(name).pending()).toEqual([]);
  }
  await store.close();
}

describe("forty entries of four processes at once are all there, chained and signed", () => {
  test.each(["one host", "four hosts"] as const)("in a folder, on %s", async (hosts) => {
    await race(`file://${join(await temporaryFolder(), "repository")}`, hosts);
  });

  const missing = s3Missing();
  if (missing !== undefined) test.skip(`in a bucket (${missing})`);
  else {
    test("in a bucket", async () => {
      const server = await s3Server();
      const { credentials } = server;
      await race(server.location(await server.createBucket(), "clinic"), "four hosts", { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey });
    });
  }
});
