/** Fresh keys as files: the identity that opens backups, the key that signs them, and the public half of each. */
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join, resolve } from "node:path";

import { generateSigningKey } from "../../catalog/signatures.ts";
import { HoldfastError, systemCodeOf } from "../../errors.ts";
import { generateIdentity } from "../../pipeline/age-keys.ts";

export interface GeneratedKeys {
  readonly recipient: string;
  /** Id of the signing key. */
  readonly signer: string;
  readonly files: { readonly identity: string; readonly recipient: string; readonly signingKey: string; readonly trustedSigners: string };
}

/**
 * Writes a whole set of keys, or nothing.
 * @throws HoldfastError `refused` if one of the files exists: a key that is overwritten is a key that is lost
 */
export async function generateKeys(folder: string): Promise<GeneratedKeys> {
  const root = resolve(folder);
  const files = { identity: join(root, "identity.txt"), recipient: join(root, "recipient.txt"), signingKey: join(root, "signing-key.pem"), trustedSigners: join(root, "trusted-signers.pem") };
  const age = await generateIdentity();
  const signing = generateSigningKey();
  await mkdir(root, { recursive: true, mode: 0o700 }).catch((error: unknown) => { throw unwritable(root, error); });
  await writeAll([
    { path: files.identity, text: `# public key: ${age.recipient}\n${age.identity}\n`, mode: 0o600 },
    { path: files.recipient, text: `${age.recipient}\n`, mode: 0o644 },
    { path: files.signingKey, text: signing.privateKeyPem, mode: 0o600 },
    { path: files.trustedSigners, text: signing.publicKeyPem, mode: 0o644 },
  ]);
  return { recipient: age.recipient, signer: signing.id, files };
}

interface NewFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** Half a set is worse than none: its identity would look like the one that goes with somebody else's recipient. */
async function writeAll(files: readonly NewFile[]): Promise<void> {
  const written: string[] = [];
  try {
    for (const file of files) {
      const handle = await openNew(file);
      written.push(file.path);
      try {
        await handle.writeFile(file.text);
        await handle.sync();
      } catch (error) {
        throw unwritable(file.path, error);
      } finally {
        await handle.close();
      }
    }
  } catch (error) {
    for (const path of written) await rm(path, { force: true });
    throw error;
  }
}

async function openNew({ path, mode }: NewFile): Promise<FileHandle> {
  try {
    return await open(path, "wx", mode);
  } catch (error) {
    if (systemCodeOf(error) !== "EEXIST") throw unwritable(path, error);
    throw new HoldfastError("refused", `${path} exists, and keys are never overwritten`, { hints: ["Nothing was written. Choose another folder with --out."], cause: error });
  }
}

function unwritable(path: string, error: unknown): HoldfastError {
  return new HoldfastError("configuration", `cannot write ${path}: ${systemCodeOf(error) ?? String(error)}`, { hints: ["Choose another folder with --out."], cause: error });
}
