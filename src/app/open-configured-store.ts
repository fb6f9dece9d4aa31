/** The storage that the configuration names, in the store's own terms. */
import type { Config, RepositoryConfig } from "../config/config.ts";
import { HoldfastError } from "../errors.ts";
import { openStore } from "../store/open.ts";
import type { StoreOptions } from "../store/options.ts";
import type { Store } from "../store/store.ts";
import { withoutConditions } from "../store/unconditional.ts";

/**
 * Opens the configured storage, whether or not it is a repository yet.
 * @throws HoldfastError `configuration` if none is configured, or what is configured breaks a rule
 */
export async function openConfiguredStore(config: Config): Promise<Store> {
  if (config.repository === undefined) {
    throw new HoldfastError("configuration", "no repository is configured", {
      hints: ["Set HOLDFAST_REPOSITORY to file:///path or s3://bucket/prefix, or `repository.url` in holdfast.yaml."],
    });
  }
  return openStoreOf(config.repository);
}

/** Opens the storage of one repository among several. @throws HoldfastError `configuration` if its settings break a rule */
export async function openStoreOf({ url, conditionalWrites, ...options }: RepositoryConfig): Promise<Store> {
  const store = await openStore(url, storeOptions(options));
  return conditionalWrites === false ? withoutConditions(store) : store;
}

function storeOptions({ objectLock, partSize, requestTimeout, stallTimeout, ...same }: Omit<RepositoryConfig, "url" | "conditionalWrites">): StoreOptions {
  const options = {
    ...same,
    ...(objectLock && { objectLock: { mode: objectLock.mode === "COMPLIANCE" ? ("compliance" as const) : ("governance" as const), days: objectLock.days } }),
    partBytes: partSize,
    requestTimeoutMs: requestTimeout,
    stallTimeoutMs: stallTimeout,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
