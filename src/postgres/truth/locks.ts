/** Keeps a long reading transaction from collecting a lock for every table and index that it ever looked at. */
import { HoldfastError } from "../../errors.ts";
import { type Session, SqlError } from "../session.ts";

/** SQLSTATE no_active_sql_transaction: each statement is its own transaction then, and lets go of its locks by itself. */
const noTransaction = "25P01";

/**
 * Runs `work`, which only reads, in a savepoint and rolls back to it, because that releases the locks: a server has room for a few
 * thousand, and three for each table of a large schema would use them up. A statement that fails leaves the transaction usable.
 * @throws HoldfastError `dump-failed` when an object went away since the snapshot was taken
 */
export async function releasingLocks<T>(session: Session, work: () => Promise<T>): Promise<T> {
  try {
    return await inSavepoint(session, work);
  } catch (error) {
    throw explained(error);
  }
}

/** The catalogs' functions see the present, not the snapshot, so an object that went since the snapshot makes them fail. */
function explained(error: unknown): unknown {
  if (!(error instanceof SqlError)) return error;
  const gone = ["42P01", "3F000"].includes(error.sqlState) || error.message.startsWith("cache lookup failed") || error.message.startsWith("could not open relation");
  if (!gone) return error;
  return new HoldfastError("dump-failed", `the schema changed while it was read: ${error.message}`, {
    hints: ["Run the backup again when no migration is running."],
    cause: error,
  });
}

async function inSavepoint<T>(session: Session, work: () => Promise<T>): Promise<T> {
  try {
    await session.execute("SAVEPOINT holdfast_reading");
  } catch (error) {
    if (error instanceof SqlError && error.sqlState === noTransaction) return work();
    throw error;
  }
  try {
    return await work();
  } finally {
    await session.execute("ROLLBACK TO SAVEPOINT holdfast_reading");
    await session.execute("RELEASE SAVEPOINT holdfast_reading");
  }
}
