/** The bound on changed and deleted rows, held against what was really changed and deleted. */
import fc from "fast-check";
import { expect, test } from "vitest";

import { createDatabase, runSql, withSession } from "../../harness/postgres.ts";
import { measured, record } from "../../harness/written-to.ts";

/** A row keeps the number that it was born with, whatever else is done to it. */
const tables = ["a", "b"] as const;
const made = tables.map((table) => `DROP TABLE IF EXISTS ${table}; CREATE TABLE ${table} (born bigserial UNIQUE, id int PRIMARY KEY, x int); INSERT INTO ${table} (id, x) SELECT n, 0 FROM generate_series(1, 12) n;`).join(" ");

const id = fc.integer({ min: 1, max: 16 });
const table = fc.constantFrom(...tables);
const statement = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(table, id, id).map(([name, from, to]) => `UPDATE ${name} SET x = x + 1 WHERE id BETWEEN ${from} AND ${to};`) },
  { weight: 2, arbitrary: fc.tuple(table, id).map(([name, at]) => `UPDATE ${name} SET id = born + 1000 WHERE id = ${at};`) },
  { weight: 3, arbitrary: fc.tuple(table, id).map(([name, at]) => `DELETE FROM ${name} WHERE id = ${at};`) },
  { weight: 3, arbitrary: fc.tuple(table, id).map(([name, at]) => `INSERT INTO ${name} (id, x) VALUES (${at}, 7) ON CONFLICT (id) DO UPDATE SET x = ${name}.x + 1;`) },
  { weight: 2, arbitrary: fc.tuple(table, id).map(([name, at]) => `MERGE INTO ${name} t USING (VALUES (${at}), (${at + 1})) v (id) ON t.id = v.id WHEN MATCHED AND t.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET x = t.x + 1 WHEN NOT MATCHED THEN INSERT (id, x) VALUES (v.id, 9);`) },
  { weight: 1, arbitrary: table.map((name) => `TRUNCATE ${name};`) },
);
const transaction = fc.tuple(fc.array(statement, { minLength: 1, maxLength: 4 }), fc.constantFrom("COMMIT", "COMMIT", "ROLLBACK", "savepoint")).map(([statements, end]) =>
  end === "savepoint" ? `BEGIN; ${statements[0] ?? ""} SAVEPOINT s; ${statements.slice(1).join(" ")} ROLLBACK TO s; COMMIT;` : `BEGIN; ${statements.join(" ")} ${end};`);
const script = fc.array(transaction, { maxLength: 6 }).map((all) => all.join("\n"));

interface Row {
  readonly born: number;
  readonly row: string;
}

const rowsOf = (name: string): string => `SELECT born, t::text AS row FROM public.${name} t`;

test("the bound is never below what was changed and deleted, whoever writes while it is recorded, and is given unless a table was emptied", async () => {
  const { name } = await createDatabase();
  // A deadlock, or a key that is taken, ends a writer early, which is as good as any other end.
  const write = (text: string): Promise<void> => runSql(name, text).catch(() => undefined);
  let known = 0;
  let tight = 0;
  await fc.assert(fc.asyncProperty(script, script, script, async (before, meanwhile, after) => {
    await runSql(name, made);
    await write(before);
    const then = new Map<string, Row[]>();
    const writers = [meanwhile, after].map(write);
    const recorded = await record(name, { within: async (rows) => { for (const each of tables) then.set(each, await rows<Row>(rowsOf(each))); } });
    await Promise.all(writers);
    await write(after);
    const found = await measured(name, recorded);
    expect(found.changes).toMatchObject({ unknown: null });
    for (const each of tables) {
      const rows = new Map((await withSession(name, (session) => session.rows<Row>(rowsOf(each)))).map(({ born, row }) => [born, row]));
      const was = then.get(each) ?? [];
      const deleted = was.filter(({ born }) => !rows.has(born)).length;
      const changed = was.filter(({ born, row }) => rows.has(born) && rows.get(born) !== row).length;
      const loss = found.tables.find(({ table: named }) => named === `public.${each}`) ?? { changed: 0, deleted: 0, changesBy: "counters" };
      const emptied = `${meanwhile} ${after}`.includes(`TRUNCATE ${each}`);
      if (!emptied) expect(loss.changesBy).toBe("counters");
      if (loss.changesBy !== "counters") continue;
      known++;
      if (loss.changed === changed && loss.deleted === deleted && changed + deleted > 0) tight++;
      expect(loss.changed).toBeGreaterThanOrEqual(changed);
      expect(loss.deleted).toBeGreaterThanOrEqual(deleted);
    }
  }), { numRuns: 30 });
  expect(known).toBeGreaterThan(10);
  expect(tight).toBeGreaterThan(0);
}, 240_000);
