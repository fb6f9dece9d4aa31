import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { generateKeys } from "../../../src/app/keys/generate-keys.ts";
import { loadSigner, loadTrustedSigners } from "../../../src/catalog/signatures.ts";
import { parseIdentityFile, recipientOf } from "../../../src/pipeline/age-keys.ts";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "holdfast-keys-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);
const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

test("the four files go together, and only their owner reads the secret ones", async () => {
  const out = join(await folder(), "new", "keys");
  const keys = await generateKeys(out);
  const text = (path: string) => readFile(path, "utf8");
  const [identity] = parseIdentityFile(await text(keys.files.identity), "identity.txt");
  expect(await recipientOf(identity!)).toBe(keys.recipient);
  expect(await text(keys.files.recipient)).toBe(`${keys.recipient}\n`);
  expect(loadSigner(await text(keys.files.signingKey), "signing-key.pem").id).toBe(keys.signer);
  expect(loadTrustedSigners(await text(keys.files.trustedSigners), "trusted-signers.pem").map(({ id }) => id)).toEqual([keys.signer]);
  expect(await modeOf(out)).toBe("700");
  for (const file of [keys.files.identity, keys.files.signingKey]) expect(await modeOf(file)).toBe("600");
});

test.each(["identity.txt", "recipient.txt", "signing-key.pem", "trusted-signers.pem"])("an existing %s is kept, and no other file is left beside it", async (name) => {
  const out = await folder();
  await writeFile(join(out, name), "precious");
  expect(await caught(generateKeys(out))).toMatchObject({ code: "refused", exitCode: 19, message: `${join(out, name)} exists, and keys are never overwritten` });
  expect(await readdir(out)).toEqual([name]);
  expect(await readFile(join(out, name), "utf8")).toBe("precious");
});

test("a link is not followed: what it leads to is not written", async () => {
  const out = await folder();
  await symlink(join(out, "elsewhere"), join(out, "signing-key.pem"));
  expect(await caught(generateKeys(out))).toMatchObject({ code: "refused" });
  expect(await readdir(out)).toEqual(["signing-key.pem"]);
});

test("a folder that cannot be made or written is a clear error", async () => {
  const out = await folder();
  await writeFile(join(out, "file"), "");
  expect(await caught(generateKeys(join(out, "file", "keys")))).toMatchObject({ code: "configuration", message: expect.stringMatching(/^cannot write .*file\/keys: ENOTDIR$/) as string });
  expect(await caught(generateKeys(join(out, "file")))).toMatchObject({ code: "configuration", message: expect.stringMatching(/: EEXIST$/) as string });
  await mkdir(join(out, "closed"));
  await chmod(join(out, "closed"), 0o500);
  // Root may write anywhere.
  if (process.getuid?.() !== 0) expect(await caught(generateKeys(join(out, "closed")))).toMatchObject({ code: "configuration", message: expect.stringMatching(/: EACCES$/) as string });
});
