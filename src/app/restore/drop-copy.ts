/** The end of a restore that failed or was cancelled: the copy goes, and whoever still works on it first. */
import { setTimeout as sleep } from "node:timers/promises";

import { messageOf } from "../../errors.ts";
import { dropDatabase } from "../../postgres/databases.ts";
import { openAdminSession } from "../../postgres/server.ts";
import type { Session } from "../../postgres/session.ts";
import type { RestoreWork } from "./restore-backup.ts";

/**
 * Drops the copy of a failed restore, through a session of its own: the cancelled one is gone.
 * @returns whether it is gone; a warning says why not
 */
export async function dropCopy({ server, context, adminPid }: RestoreWork, copy: string): Promise<boolean> {
  try {
    const admin = await openAdminSession(server, undefined, copy);
    try {
      await endBackend(admin, adminPid);
      await dropDatabase(admin, copy);
      return true;
    } finally {
      await admin.close();
    }
  } catch (error) {
    context.reporter.emit({ type: "note", level: "warn", message: `the half-restored database ${copy} could not be dropped: ${messageOf(error)}` });
    return false;
  }
}

/** A CREATE DATABASE whose client was killed runs on, and would make the copy after it was dropped. */
async function endBackend(admin: Session, pid: number): Promise<void> {
  const pollMs = 20;
  for (let waited = 0; waited < 3_000; waited += pollMs) {
    const rows = await admin.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ${pid} AND pid <> pg_backend_pid() AND application_name LIKE 'holdfast%'`);
    if (rows.length === 0) return;
    await sleep(pollMs);
  }
}
