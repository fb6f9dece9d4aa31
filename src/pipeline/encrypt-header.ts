/** The header of an age file: who can open it. Made and opened by age-encryption; the payload is payload.ts's. */
import { Decrypter, Encrypter } from "age-encryption";

import { HoldfastError } from "../errors.ts";

/** What an empty payload adds to a header: its nonce and the tag of its one chunk. */
const emptyPayload = 16 + 16;

/** A fresh file key, and the header that hands it to each of `recipients`. */
export async function sealHeader(recipients: readonly string[]): Promise<{ readonly header: Buffer; readonly fileKey: Uint8Array }> {
  const encrypter = new Encrypter();
  let fileKey: Uint8Array | undefined;
  for (const recipient of new Set(recipients)) encrypter.addRecipient(recipient);
  encrypter.addRecipient({
    wrapFileKey: (key) => {
      fileKey = Uint8Array.from(key);
      return [];
    },
  });
  const file = await encrypter.encrypt(new Uint8Array(0));
  if (fileKey === undefined) throw new Error("age-encryption did not show the file key");
  return { header: Buffer.from(file.buffer, file.byteOffset, file.length - emptyPayload), fileKey };
}

/**
 * The file key of a header, MAC included in the check.
 * @param unlock - gives the decrypter its keys
 * @throws HoldfastError `cannot-decrypt` if none of them matches; `integrity` if the header is malformed or altered
 */
export async function openHeader(header: Uint8Array, unlock: (decrypter: Decrypter) => void): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  unlock(decrypter);
  // Identities are asked in turn: this one is reached only when none before it matched.
  const tried = { all: false };
  decrypter.addIdentity({
    unwrapFileKey: () => {
      tried.all = true;
      return null;
    },
  });
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    if (tried.all) {
      throw new HoldfastError("cannot-decrypt", "no identity at hand matches a recipient of the age file", {
        hints: ["Name the file with the right identity in HOLDFAST_IDENTITY_FILE; `holdfast backup show` lists the recipients."],
      });
    }
    throw damagedHeader(error instanceof Error ? error.message : "unreadable");
  }
}

const versionLine = Buffer.from("age-encryption.org/v1\n");
/** Far above what hundreds of post-quantum recipients need, far below what would hurt. */
const longestHeader = 1024 * 1024;

/**
 * Where the header at the start of `bytes` ends, or undefined if more bytes are needed to tell.
 * @throws HoldfastError `integrity` once they cannot become an age file's header
 */
export function headerEnd(bytes: Buffer): number | undefined {
  const seen = Math.min(bytes.length, versionLine.length);
  if (bytes.compare(versionLine, 0, seen, 0, seen) !== 0) {
    if (bytes.subarray(0, 11).toString("latin1") === "-----BEGIN ") throw damagedHeader("it is armored (text), but must be binary");
    throw damagedHeader("it does not begin with age-encryption.org/v1");
  }
  const macLine = bytes.indexOf("\n---");
  const end = macLine === -1 ? -1 : bytes.indexOf("\n", macLine + 1);
  if (end !== -1) return end + 1;
  if (bytes.length > longestHeader) throw damagedHeader(`it does not end within ${longestHeader} bytes`);
  return undefined;
}

/**
 * The kinds of the recipient stanzas in an age file's header, as `X25519`; a stanza does not name its recipient. What
 * some writers add to keep readers tolerant is left out.
 * @throws HoldfastError `integrity` if the file has no whole header
 */
export function recipientStanzas(file: Buffer): string[] {
  const end = headerEnd(file);
  if (end === undefined) throw damagedHeader("it does not end");
  const kinds = file.toString("latin1", 0, end).split("\n").flatMap((line) => /^-> (\S+)/.exec(line)?.[1] ?? []);
  return kinds.filter((kind) => !kind.endsWith("-grease"));
}

/** The error of a header that cannot be trusted. */
export function damagedHeader(why: string): HoldfastError {
  return new HoldfastError("integrity", `the header of the age file is damaged: ${why}`);
}
