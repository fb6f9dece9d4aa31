/** The checksum that goes along with bytes to S3, and the one that the store shows of what came. */
import { crc32 } from "node:zlib";

import { HoldfastError } from "../errors.ts";

export interface Confirmed {
  /** Not every store shows it. */
  readonly ChecksumCRC32?: string | undefined;
}

/** CRC32 as S3 writes it. */
export function checksum(bytes: Uint8Array): string {
  const sum = Buffer.allocUnsafe(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum.toString("base64");
}

/**
 * @param ours - asked for only where the store shows one
 * @throws HoldfastError `store-failed` when the store shows another
 */
export function compareChecksums(what: string, ours: () => string, { ChecksumCRC32: theirs }: Confirmed): void {
  if (theirs === undefined || theirs === ours()) return;
  throw new HoldfastError("store-failed", `the store has another checksum of ${what}: CRC32 ${theirs} instead of ${ours()}`);
}
