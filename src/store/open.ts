/** Opens the store that a location names. */
import { HoldfastError } from "../errors.ts";
import { openLocalStore } from "./local.ts";
import { parseLocation } from "./location.ts";
import type { StoreOptions } from "./options.ts";
import type { Store } from "./store.ts";

/**
 * Opens a repository's storage. Talks to nobody yet: a missing bucket shows at the first request.
 * @throws HoldfastError `configuration` when the location or the options break a rule
 */
export async function openStore(location: string, options: StoreOptions = {}): Promise<Store> {
  checkOptions(options);
  const place = parseLocation(location, options);
  if (place.scheme === "file") return openLocalStore(place.path);
  // Loaded only when used: the SDK costs 50 ms and 35 MB.
  const { openS3Store } = await import("./s3.ts");
  return openS3Store(place.bucket, place.prefix, place.options);
}

const smallestPart = 8 * 2 ** 20;

function checkOptions(options: StoreOptions): void {
  const refuse = (message: string) => new HoldfastError("configuration", message);
  const least = { partBytes: smallestPart, maxParts: 100, uploadConcurrency: 1, attempts: 1, requestTimeoutMs: 1, stallTimeoutMs: 1 } as const;
  for (const name of Object.keys(least) as (keyof typeof least)[]) {
    const value = options[name];
    if (value !== undefined && (!Number.isSafeInteger(value) || value < least[name])) {
      throw refuse(`${name} is ${value}: it must be a whole number of at least ${least[name]}`);
    }
  }
  const days = options.objectLock?.days;
  if (days !== undefined && (!Number.isSafeInteger(days) || days < 1)) throw refuse(`objectLock.days is ${days}: it must be a whole number of at least 1`);
  if (options.kmsKeyId !== undefined && options.serverSideEncryption !== "aws:kms") throw refuse("kmsKeyId is given, but serverSideEncryption is not aws:kms");
}
