import { execa } from "execa";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, onTestFinished, test } from "vitest";

import { generateSigningKey, loadSigner, loadTrustedSigners, signerOf } from "../../../src/catalog/signatures.ts";

const bytes = Buffer.from("what is signed\n");
const pem = (label: string, body: string): string => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

test("a signature verifies with the public half, and with no other bytes or key", () => {
  const [ours, theirs] = [generateSigningKey(), generateSigningKey()];
  const signer = loadSigner(ours.privateKeyPem, "a test");
  const trusted = loadTrustedSigners(theirs.publicKeyPem + ours.publicKeyPem, "a test");
  const signature = signer.sign(bytes);
  expect(signerOf(bytes, signature, trusted)?.id).toBe(ours.id);
  expect(signer.id).toBe(ours.id);
  expect(signerOf(Buffer.from("what is signed"), signature, trusted)).toBeUndefined();
  for (const wrong of [Buffer.alloc(0), Buffer.alloc(64), signature.subarray(1), Buffer.concat([signature, Buffer.alloc(1)])]) expect(signerOf(bytes, wrong, trusted)).toBeUndefined();
  expect(signerOf(bytes, signature, loadTrustedSigners(theirs.publicKeyPem, "a test"))).toBeUndefined();
});

test("openssl verifies what we sign, and we verify what openssl signs with a key of its own", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-signatures-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const openssl = (...args: string[]) => execa("openssl", args, { cwd: folder, encoding: "buffer" });
  const { privateKeyPem, publicKeyPem } = generateSigningKey();
  const file = (name: string, content: string | Uint8Array) => writeFile(join(folder, name), content);
  await Promise.all([file("public.pem", publicKeyPem), file("text", bytes), file("ours.sig", loadSigner(privateKeyPem, "a test").sign(bytes))]);
  await openssl("pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "text", "-sigfile", "ours.sig");

  await openssl("genpkey", "-algorithm", "ed25519", "-out", "own.pem");
  const { stdout: signature } = await openssl("pkeyutl", "-sign", "-inkey", "own.pem", "-rawin", "-in", "text");
  const { stdout: publicKey } = await openssl("pkey", "-in", "own.pem", "-pubout");
  const { stdout: der } = await openssl("pkey", "-in", "own.pem", "-pubout", "-outform", "DER");
  await file("own.der", der);
  const { stdout: digest } = await openssl("dgst", "-sha256", "-r", "own.der");
  expect(signerOf(bytes, signature, loadTrustedSigners(Buffer.from(publicKey).toString(), "a test"))?.id).toBe(Buffer.from(digest).toString().slice(0, 16));
});

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const encrypted = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" }).toString();
const oldEncrypted = rsa.privateKey.export({ type: "pkcs1", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" }).toString();
const rsaPem = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const own = generateSigningKey();

test.each([
  ["an RSA key", rsaPem, "is rsa, but must be ed25519"],
  ["an encrypted key", encrypted, "is encrypted with a passphrase"],
  ["an encrypted key of the old form", oldEncrypted, "is encrypted with a passphrase"],
  ["a public key", own.publicKeyPem, "is a public key, but must be a private key"],
  ["an age identity", "AGE-SECRET-KEY-1QQQQQQQQQQ", "is not a private key in PEM"],
  ["an SSH key", pem("OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU="), "is damaged, or of a kind"],
  ["a key cut short", own.privateKeyPem.slice(0, 60), "is damaged, or of a kind"],
  ["garbage", pem("PRIVATE KEY", "Z2FyYmFnZQ=="), "is damaged, or of a kind"],
  ["nothing", "", "is not a private key in PEM"],
])("%s is no signing key, and the error shows nothing of it", (_, text, says) => {
  const error = caught(() => loadSigner(text, "/etc/holdfast/signing-key.pem"));
  expect(error).toMatchObject({ code: "configuration", exitCode: 10, message: expect.stringContaining(`the signing key in /etc/holdfast/signing-key.pem ${says}`) as string });
  expect(error.hints).not.toEqual([]);
  expectNothingOf(text, error);
});

test.each([
  ["nothing", "", "no public key in PEM found in"],
  ["an RSA key", rsa.publicKey.export({ type: "spki", format: "pem" }).toString(), "a public key in X is rsa"],
  ["a private key", own.publicKeyPem + own.privateKeyPem, "a private key stands among the trusted signers in X"],
  ["garbage", pem("PUBLIC KEY", "Z2FyYmFnZQ=="), "a public key in X is damaged"],
  ["a good key before a damaged one", own.publicKeyPem + pem("PUBLIC KEY", "MCowBQYDK2VwAyEA"), "a public key in X is damaged"],
])("%s among the trusted signers is refused as a whole", (_, text, says) => {
  const error = caught(() => loadTrustedSigners(text, "X"));
  expect(error).toMatchObject({ code: "configuration", message: expect.stringContaining(says) as string });
  expect(error.hints).not.toEqual([]);
  expectNothingOf(text, error);
});

test("a trusted key that is named twice counts once, with text between the keys ignored", () => {
  expect(loadTrustedSigners(`# on call\r\n${own.publicKeyPem.replaceAll("\n", "\r\n")}\n# again\n${own.publicKeyPem}`, "X").map(({ id }) => id)).toEqual([own.id]);
});

function caught(work: () => unknown): Error & { hints: readonly string[] } {
  try {
    work();
  } catch (error) {
    return error as Error & { hints: readonly string[] };
  }
  throw new Error("nothing was thrown");
}

/** Neither the error nor its cause may quote a line of the key. */
function expectNothingOf(text: string, error: unknown): void {
  const shown = inspect(error, { depth: 9, showHidden: true });
  for (const line of text.split("\n")) if (/^[A-Za-z0-9+/=]{16,}$/.test(line)) expect(shown).not.toContain(line);
}
