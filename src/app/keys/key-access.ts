/** Who can open a backup's key: what signed records say, and what the identities at hand prove. */
import { keyHoldersOf, type KeyHolders, readKeySidecar } from "../../catalog/key-sidecar.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { recipientOf } from "../../pipeline/age-keys.ts";
import { openBytes } from "../../pipeline/encrypt.ts";
import { recipientStanzas } from "../../pipeline/encrypt-header.ts";
import { identityIn } from "../backup/open-part.ts";

export interface Identity {
  readonly secret: string;
  readonly recipient: string;
}

export async function namedIdentities(secrets: readonly string[]): Promise<Identity[]> {
  return Promise.all(secrets.map(async (secret) => ({ secret, recipient: await recipientOf(secret) })));
}

export interface KeyAccess {
  readonly sidecar: Buffer;
  readonly holders: KeyHolders;
  /** Recipient stanzas of `key.age`: how many keys open it. They do not name whose. */
  readonly stanzas: number;
  /** Each identity at hand, by its recipient, and whether it alone opens the backup's own identity. */
  readonly identities: readonly { readonly recipient: string; readonly opens: boolean }[];
}

/**
 * Tries each identity alone.
 * @throws HoldfastError `integrity` if the sidecar is damaged, or opens otherwise than its signed records say
 */
export async function keyAccess(repository: Repository, manifest: Manifest, identities: readonly Identity[]): Promise<KeyAccess> {
  const sidecar = await readKeySidecar(repository, manifest);
  const holders = await keyHoldersOf(repository, manifest, sidecar);
  const stanzas = recipientStanzas(sidecar).length;
  const tried = await Promise.all(identities.map(async ({ secret, recipient }) => ({ recipient, opens: await opensKey(sidecar, manifest, secret) })));
  if (holders.source !== "unfinished") requireAgreement(manifest, holders, stanzas, tried);
  return { sidecar, holders, stanzas, identities: tried };
}

async function opensKey(sidecar: Buffer, manifest: Manifest, secret: string): Promise<boolean> {
  try {
    await identityIn(await openBytes(sidecar, [secret]), manifest);
    return true;
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "cannot-decrypt") return false;
    throw error;
  }
}

/** Signed by us and yet not what our records say: somebody made it past Holdfast. */
function requireAgreement(manifest: Manifest, { recipients }: KeyHolders, stanzas: number, tried: KeyAccess["identities"]): void {
  const wrong = (what: string): HoldfastError =>
    new HoldfastError("integrity", `key.age of ${manifest.id} ${what}`, { hints: ["Find out who wrote it: it carries a signature of ours, but was not written by `holdfast backup` or `holdfast keys rewrap`."], details: { backup: manifest.id, part: "key.age" } });
  if (stanzas !== recipients.length) throw wrong(`is encrypted to ${stanzas} recipients, but the signed record names ${recipients.length}`);
  for (const { recipient, opens } of tried) {
    if (opens !== recipients.includes(recipient)) throw wrong(opens ? `opens with the identity of ${recipient}, which the signed record does not name` : `does not open with the identity of ${recipient}, which the signed record names`);
  }
}
