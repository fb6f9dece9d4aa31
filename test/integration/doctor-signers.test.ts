/** The dates of signing keys as doctor sees them: told a month before their end, and a failure once the configured one has ended. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import type { DoctorCheck } from "../../src/app/doctor/doctor.ts";
import { checkKeys } from "../../src/app/doctor/doctor-keys.ts";
import { generateKeys, type GeneratedKeys } from "../../src/app/keys/generate-keys.ts";
import type { Config } from "../../src/config/config.ts";
import { containing } from "../harness/context.ts";

const end = "2027-01-08T00:00:00.000Z";
const daysBefore = (days: number): Date => new Date(Date.parse(end) - days * 86_400_000);

interface Host {
  readonly keys: GeneratedKeys;
  readonly next: GeneratedKeys;
  /** What stands before the block of each key. */
  readonly look: (now: Date, own: string, others?: string, change?: Partial<Config>) => Promise<(name: string) => readonly DoctorCheck[]>;
}

/** A backup host whose list of trusted signers says when its key ends. */
async function host(): Promise<Host> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-signers-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [keys, next] = [await generateKeys(join(folder, "keys")), await generateKeys(join(folder, "next"))];
  const [pem, nextPem] = await Promise.all([keys, next].map(({ files }) => readFile(files.trustedSigners, "utf8")));
  return {
    keys, next,
    look: async (now, own, others, change = {}) => {
      const trustedSigners = `${own}\n${pem!}${others === undefined ? "" : `${others}\n${nextPem!}`}`;
      const config = { recipients: [keys.recipient, next.recipient], identityFile: undefined, signingKeyFile: keys.files.signingKey, trustedSigners, ...change } as Partial<Config> as Config;
      const { checks } = await checkKeys(config, now);
      return (name) => checks.filter((check) => check.name === name);
    },
  };
}

test("a key without dates, and one that ends in more than a month, are fine", async () => {
  const { look, keys } = await host();
  expect((await look(daysBefore(31), "# no dates"))("signing key")).toMatchObject([{ outcome: "ok", detail: `ed25519 ${keys.signer}` }]);
  expect((await look(daysBefore(31), `# valid-until: ${end}`))("signing key")).toMatchObject([{ outcome: "ok", detail: `ed25519 ${keys.signer}, which counts until ${end}` }]);
});

test("a key that ends within a month is warned of, with the command that makes the next one and where it is announced", async () => {
  const { look, keys } = await host();
  const found = (await look(daysBefore(29), `# valid-until: ${end}`))("signing key");
  expect(found).toMatchObject([{ outcome: "warn", detail: `ed25519 ${keys.signer} counts until ${end} only: 29 d are left` }]);
  for (const part of ["holdfast keys generate --out", "# valid-from:", "HOLDFAST_TRUSTED_SIGNERS", "docs/keys.md"]) expect(found[0]!.hint).toContain(part);
});

test("where its successor is announced, that one is named, with its beginning", async () => {
  const { look, next } = await host();
  const announced = await look(daysBefore(3), `# valid-until: ${end}`, "# valid-from: 2027-01-01T00:00:00Z");
  expect(announced("signing key")).toMatchObject([{ outcome: "warn", hint: containing(`Its successor ${next.signer} is announced: give this host its signing-key.pem with HOLDFAST_SIGNING_KEY_FILE, from 2027-01-01T00:00:00.000Z on.`) }]);
  // Another host's key, which was there before, is nobody's successor; nor is one that begins too late.
  for (const others of ["# of another host", "# valid-from: 2027-02-01T00:00:00Z"]) {
    expect((await look(daysBefore(3), `# valid-until: ${end}`, others))("signing key")).toMatchObject([{ outcome: "warn", hint: containing("holdfast keys generate") }]);
  }
});

test("a configured key that has ended, or not begun, is a failure of the configuration", async () => {
  const { look, keys } = await host();
  const ended = await look(new Date(end), `# valid-until: ${end}`);
  expect(ended("signing key")).toMatchObject([{ outcome: "fail", code: "configuration", detail: containing(`${keys.signer} counts until ${end} only, but it is ${end}: nobody would trust what it signs now`), hint: containing("holdfast keys generate") }]);
  const early = await look(daysBefore(1), `# valid-from: ${end}`);
  expect(early("signing key")).toMatchObject([{ outcome: "fail", code: "configuration", hint: containing("correct its valid-from") }]);
});

test("a host that only restores is told when nobody signs any more whom it trusts", async () => {
  const { look, keys } = await host();
  const restoring = { recipients: [], signingKeyFile: undefined, identityFile: keys.files.identity };
  const signers = async (days: number, others?: string) => (await look(daysBefore(days), `# valid-until: ${end}`, others, restoring))("trusted signers");
  expect(await signers(31)).toMatchObject([{ outcome: "ok", detail: containing(`until ${end}`) }]);
  expect(await signers(29)).toMatchObject([{ outcome: "warn", detail: containing("none of them counts 30 days from now, and no other is announced"), hint: containing("HOLDFAST_TRUSTED_SIGNERS") }]);
  expect(await signers(29, "# valid-from: 2027-01-01T00:00:00Z")).toMatchObject([{ outcome: "ok" }]);
  expect(await signers(-1)).toMatchObject([{ outcome: "warn", detail: containing("none of them counts now") }]);
});
