/** Fresh keys as files: the identity that opens backups, the key that signs them, and the public half of each. */
import { mkdir, open } from "node:fs/promises";
import { join, resolve } from "node:path";

import { generateSigningKey } from "../catalog/signatures.ts";
import { HoldfastError, systemCodeOf } from "../errors.ts";
import { generateIdentity } from "../pipeline/age-keys.ts";

export interface GeneratedKeys {
  readonly recipient: string;
  /** Id of the signing key. */
  readonly signer: string;
  readonly files: { readonly identity: string; readonly recipient: string; readonly signingKey: string; readonly trustedSigners: string };
}

/** @throws HoldfastError `refused` if one of the files exists: a key that is overwritten is a key that is lost */
export async function generateKeys(folder: string): Promise<GeneratedKeys> {
  const root = resolve(folder);
  const files = { identity: join(root, "identity.txt"), recipient: join(root, "recipient.txt"), signingKey: join(root, "signing-key.pem"), trustedSigners: join(root, "trusted-signers.pem") };
  const age = await generateIdentity();
  const signing = generateSigningKey();
  await mkdir(root, { recursive: true, mode: 0o700 });
  await writeNew(files.identity, `# public key: ${age.recipient}\n${age.identity}\n`, 0o600);
  await writeNew(files.recipient, `${age.recipient}\n`, 0o644);
  await writeNew(files.signingKey, signing.privateKeyPem, 0o600);
  await writeNew(files.trustedSigners, signing.publicKeyPem, 0o644);
  return { recipient: age.recipient, signer: signing.id, files };
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  let file;
  try {
    file = await open(path, "wx", mode);
  } catch (error) {
    if (systemCodeOf(error) !== "EEXIST") throw new HoldfastError("configuration", `cannot write ${path}: ${systemCodeOf(error) ?? String(error)}`, { cause: error });
    throw new HoldfastError("refused", `${path} exists, and keys are never overwritten`, { hints: ["Choose another folder with --out."], cause: error });
  }
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
