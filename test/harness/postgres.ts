/** Databases of the test run's throwaway server. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { inject, onTestFinished } from "vitest";

import { type Session, type SessionTarget, identifier, openSession } from "../../src/postgres/session.ts";
import { runTool } from "../../src/process/run.ts";

export interface TestDatabase {
  readonly name: string;
  /** As an application would write it, over TCP with a password. */
  readonly url: string;
  readonly target: SessionTarget;
}

const server = () => inject("postgres");

/** The target of a database of the test server, as superuser over the socket. */
export function targetOf(database: string, extra: Record<string, string> = {}): SessionTarget {
  const { socket, port, binaries } = server();
  return { psql: [join(binaries, "psql")], env: { PGHOST: socket, PGPORT: String(port), PGUSER: "postgres", PGDATABASE: database, ...extra } };
}

export function urlOf(database: string): string {
  return `postgresql://postgres:${server().password}@127.0.0.1:${server().port}/${encodeURIComponent(database)}`;
}

/** Creates an empty database that is dropped after the test; `name` may be as odd as PostgreSQL allows. */
export async function createDatabase(name = `t_${randomBytes(5).toString("hex")}`): Promise<TestDatabase> {
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${identifier(name)} TEMPLATE template0`));
  onTestFinished(() => dropDatabase(name));
  return { name, url: urlOf(name), target: targetOf(name) };
}

export async function dropDatabase(name: string): Promise<void> {
  await withSession("postgres", (admin) => admin.execute(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`));
}

/** Runs `work` with a session of `database`, in which `public` need not be written. */
export async function withSession<T>(database: string, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(targetOf(database));
  try {
    await session.execute("SET search_path = public");
    return await work(session);
  } finally {
    await session.close();
  }
}

/** Runs a script of SQL (psql's own commands allowed) and fails at the first error. */
export async function runSql(database: string, script: string): Promise<void> {
  const target = targetOf(database);
  await runTool(target.psql, ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"], { env: target.env, input: script });
}
