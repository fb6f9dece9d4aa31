/** The locks of a database, as every story takes them that writes to its part of a repository. */
import { lockKey } from "../catalog/layout.ts";
import type { Repository } from "../catalog/repository.ts";
import { acquireLock, type Lock } from "../lock/lease.ts";
import type { Server } from "../postgres/server.ts";
import type { Context } from "./context.ts";
import { guardOf } from "./guard.ts";

export interface DatabaseLockOptions {
  /** What it is wanted for, for those who are refused. */
  readonly action: string;
  /** Milliseconds to wait for another holder. */
  readonly waitMs?: number | undefined;
  /** The backed-up server, where one is reached: it keeps runs apart where the repository's storage cannot. */
  readonly server?: Server;
  /** Milliseconds for which it is held without a heartbeat, and between two; the lease's own by default. */
  readonly leaseMs?: number;
  readonly heartbeatMs?: number;
}

/** @throws HoldfastError `lock-held` naming the holder; `cancelled`; what the store throws */
export function lockDatabase(context: Context, repository: Repository, database: string, name: string, { action, waitMs = 0, server, ...times }: DatabaseLockOptions): Promise<Lock> {
  const { actor, clock, signal } = context;
  return acquireLock(repository.store, lockKey(database, name), { action, actor, clock, signal, waitMs, ...times, guard: guardOf(context, repository, server) });
}
