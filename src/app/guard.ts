/** What keeps a run alone where the repository's storage cannot, and says so. */
import type { Repository } from "../catalog/repository.ts";
import type { Guard } from "../lock/guarded.ts";
import type { Server } from "../postgres/server.ts";
import { openSession } from "../postgres/session.ts";
import { isUnconditional } from "../store/unconditional.ts";
import type { Context } from "./context.ts";

/** @param server - of the database that is written about; absent where none is reached, as for a copy */
export function guardOf({ config, reporter, signal }: Context, { id, store }: Repository, server?: Server): Guard | undefined {
  if (!isUnconditional(store)) return undefined;
  const means = server === undefined ? "a lock file on this host, and a look at the lock before it is written," : "an advisory lock in the database and a lock file on this host";
  reporter.emit({ type: "note", level: "info", message: `${store.url} honours no conditional writes, as configured: ${means} keep this run alone` });
  return { stateDir: config.stateDir, repositoryId: id, ...(server && { session: () => openSession(server.target(), { signal, applicationName: "holdfast lock" }) }) };
}
