import { expect, test } from "vitest";

import { takesAway } from "../../../../src/rollback/migrations/takes-away.ts";

test.each<readonly [sql: string, told: string[]]>([
  ["DROP TABLE visits, ehr.notes CASCADE", ["DROP TABLE visits, ehr.notes CASCADE"]],
  ["DROP SCHEMA archive CASCADE", ["DROP SCHEMA archive CASCADE"]],
  ["ALTER TABLE p DROP COLUMN a, DROP COLUMN b, ADD COLUMN c int", ["DROP COLUMN p.a", "DROP COLUMN p.b"]],
  ["ALTER TABLE p ALTER COLUMN a TYPE varchar(3)", ["ALTER TYPE of p.a"]],
  ["TRUNCATE p, q", ["TRUNCATE p, q"]],
  ["DELETE FROM p WHERE name = 'Zoe Secret'", ["DELETE of rows of p"]],
  ["UPDATE p SET name = 'Zoe Secret', note = NULL", ["UPDATE of p: name, note"]],
  ["WITH gone AS (DELETE FROM p RETURNING *) INSERT INTO q SELECT * FROM gone", ["INSERT"]],
  ["DO $$ BEGIN DELETE FROM p; END $$", ["a DO block"]],
  ["SELECT purge('Zoe Secret')", ["SELECT"]],
  ["CALL purge()", ["CALL"]],
  ["ALTER TABLE p RENAME COLUMN a TO b; DROP INDEX i; DROP VIEW v; DROP MATERIALIZED VIEW m; CREATE TABLE t (a int); INSERT INTO t VALUES (1); COMMENT ON TABLE t IS 'x'", []],
])("%s", async (sql, told) => {
  expect(await takesAway(sql)).toEqual(told);
});
