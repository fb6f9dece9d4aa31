/** How an object is cut into multipart parts: S3 limits their number, and memory limits their size. */
import { HoldfastError } from "../errors.ts";
import type { StoreOptions } from "./options.ts";

const miB = 2 ** 20;
const largestObject = 5 * 2 ** 40;
const largestPart = 5 * 2 ** 30;
const defaultPart = 8 * miB;

/** Parts are cut for an object this many times its estimate: one is of plain bytes, and they nearly always shrink. */
const growth = 1.5;

/** Memory for parts beyond which fewer are under way at once. */
const memory = 256 * miB;

export interface PartPlan {
  readonly partBytes: number;
  /** Parts in memory at once. */
  readonly concurrency: number;
  /** Bytes beyond which the object cannot be stored. */
  readonly mostBytes: number;
}

/**
 * Chooses the size of the parts for an object of about `estimate` bytes.
 * @throws HoldfastError `store-failed` when no cut can hold that much
 */
export function planParts(estimate: number | undefined, options: Pick<StoreOptions, "partBytes" | "maxParts" | "uploadConcurrency">): PartPlan {
  const maxParts = options.maxParts ?? 10_000;
  const most = Math.min(largestObject, largestPart * maxParts);
  const expected = estimate ?? 0;
  if (expected > most) {
    throw new HoldfastError("store-failed", `about ${expected} bytes are expected, and an object of this store holds ${most} at most`, {
      hints: ["Split the database's largest tables off into backups of their own."],
    });
  }
  const needed = Math.min(expected * growth, most) / maxParts;
  const partBytes = Math.min(largestPart, Math.max(options.partBytes ?? defaultPart, Math.ceil(needed / miB) * miB));
  const concurrency = Math.min(options.uploadConcurrency ?? 4, Math.max(2, Math.floor(memory / partBytes)));
  return { partBytes, concurrency, mostBytes: Math.min(largestObject, partBytes * maxParts) };
}
