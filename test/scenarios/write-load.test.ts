/** A database that is written to while it is backed up: what comes back is the snapshot, whole. */
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";

import { createBackup } from "../../src/app/backup/create-backup.ts";
import { initialiseRepository } from "../../src/app/repository/initialise-repository.ts";
import { startTool } from "../../src/process/run.ts";
import { createDatabase, runSql, targetOf, withSession } from "../harness/postgres.ts";
import { contextFor, restoreCopy } from "../harness/round-trip.ts";

/** Money only moves between accounts, and every transfer is written down in the same transaction. */
const bank = `
  CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, transfers int NOT NULL DEFAULT 0);
  INSERT INTO accounts SELECT n, 1000 FROM generate_series(1, 100) n;
  CREATE TABLE transfers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, source int NOT NULL, target int NOT NULL, amount int NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
  CREATE SEQUENCE tickets;
  CREATE SEQUENCE countdown INCREMENT -3;
  CREATE TABLE bulk AS SELECT n AS id, sha256(n::text::bytea) AS content FROM generate_series(1, 20000) n;
`;

const transfer = (worker: number): string => `
  WITH sent AS (INSERT INTO transfers (source, target, amount) SELECT s, (s + ${worker} + 6) % 100 + 1, 1 + s % 7 FROM (SELECT 1 + floor(random() * 100)::int AS s) q RETURNING source, target, amount),
       moves AS (SELECT source AS id, -amount AS change, 1 AS sent FROM sent UNION ALL SELECT target, amount, 0 FROM sent)
  UPDATE accounts a SET balance = balance + change, transfers = transfers + m.sent FROM (SELECT id, sum(change) AS change, sum(sent) AS sent FROM moves GROUP BY id) m WHERE m.id = a.id;
  SELECT nextval('tickets'), nextval('countdown');
  UPDATE bulk SET content = sha256(content) WHERE id = 1 + floor(random() * 20000)::int;
`;

interface Load {
  /** Statements that were answered so far. */
  done(): number;
  /** Lets every session end its last statement. */
  stop(): Promise<void>;
}

/** Several sessions that write as fast as they are answered, until stopped. */
function writeLoad(database: string, workers: number): Load {
  let done = 0;
  let stopping = false;
  const { env } = targetOf(database);
  const tools = Array.from({ length: workers }, (_, worker) => {
    const tool = startTool([join(inject("postgres").binaries, "psql")], ["-X", "-q"], { env });
    // A deadlock between two transfers rolls one of them back, as it happens in real life, and psql goes on.
    const next = (): void => { if (stopping) tool.stdin.end(); else tool.stdin.write(`${transfer(worker)}\\echo done\n`); };
    tool.stdin.on("error", () => undefined);
    tool.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (!text.includes("done")) return;
      done++;
      next();
    });
    next();
    return tool;
  });
  return {
    done: () => done,
    stop: async () => {
      stopping = true;
      await Promise.all(tools.map((tool) => tool.done));
    },
  };
}

const invariants = `
  SELECT (SELECT sum(balance) FROM accounts) AS money, (SELECT count(*) FROM transfers) AS written, (SELECT sum(transfers) FROM accounts) AS counted, (SELECT count(*) FROM bulk) AS bulk,
    (SELECT bool_and(a.balance = 1000 + coalesce((SELECT sum(amount) FROM transfers WHERE target = a.id), 0) - coalesce((SELECT sum(amount) FROM transfers WHERE source = a.id), 0)) FROM accounts a) AS balanced,
    (SELECT last_value FROM tickets) >= 1 AS ticketed, (SELECT last_value >= max(id) FROM transfers_id_seq, transfers GROUP BY last_value) AS ahead`;

test("five backups in a row under writes each restore to their snapshot: no transfer is half there, and no sequence behind its table", async () => {
  const source = await createDatabase();
  await runSql(source.name, bank);
  const context = await contextFor(source.name, "file");
  await initialiseRepository(context);
  const load = writeLoad(source.name, 2);
  let stopped = false;
  onTestFinished(() => (stopped ? undefined : load.stop()));

  const seen: number[] = [];
  for (let round = 0; round < 5; round++) {
    const before = load.done();
    const { manifest } = await createBackup(context, {});
    expect(load.done(), "writes while the backup ran").toBeGreaterThan(before);
    const { copy } = await restoreCopy(context);
    const found = await withSession(copy, (session) => session.row<{ written: number; money: number }>(invariants));
    const rows = manifest.truth.tables.find(({ name }) => name === "transfers")?.rows;
    expect(found).toEqual({ money: 100_000, written: rows, counted: rows, bulk: 20_000, balanced: true, ticketed: true, ahead: true });
    seen.push(found.written);
  }
  stopped = true;
  await load.stop();
  const { count } = await withSession(source.name, (session) => session.row<{ count: number }>("SELECT count(*) FROM transfers"));
  expect([...seen, count]).toEqual([...new Set([...seen, count])].sort((a, b) => a - b));
});
