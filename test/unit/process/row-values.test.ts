import { expect, test } from "vitest";

import { withoutQuotedValues, withoutRowValues } from "../../../src/process/row-values.ts";

test.each([
  ['ERROR:  invalid input syntax for type integer: "canary"', 'ERROR:  invalid input syntax for type integer: "***"'],
  ['ERROR:  value "4711" is out of range for type integer', 'ERROR:  value "***" is out of range for type integer'],
  ['ERROR:  invalid input syntax for type json: "{"a": "canary"}"', 'ERROR:  invalid input syntax for type json: "***"'],
  ['ERROR:  date/time field value out of range: "2020-13-45"', 'ERROR:  date/time field value out of range: "***"'],
  ['ERROR:  invalid byte sequence for encoding "UTF8": 0xe4 0x63', 'ERROR:  invalid byte sequence for encoding "UTF8": "***"'],
  ['ERROR:  syntax error at or near "canary" at character 3', 'ERROR:  syntax error at or near "***"'],
  ['ERROR:  malformed array literal: "{canary', 'ERROR:  malformed array literal: "***"'],
  ["FEHLER:  ungültige Eingabesyntax für Typ integer: »canary«", 'FEHLER:  ungültige Eingabesyntax für Typ integer: "***"'],
  ["FEHLER:  Wert »4711« ist außerhalb des gültigen Bereichs für Typ integer", 'FEHLER:  Wert "***" ist außerhalb des gültigen Bereichs für Typ integer'],
  ["ERREUR:  la valeur « 4711 » est en dehors des limites", 'ERREUR:  la valeur "***" est en dehors des limites'],
])("%s loses its value", (line, shown) => {
  expect(withoutQuotedValues(line)).toBe(shown);
});

test.each([
  'ERROR:  relation "people" does not exist',
  'pg_restore: error: could not execute query: ERROR:  role "app" does not exist',
  'ERROR:  duplicate key value violates unique constraint "people_pkey"',
  'ERROR:  column "a b" of relation "people" does not exist',
  'pg_dump: error: connection to server at "127.0.0.1", port 5432 failed: FATAL:  password authentication failed for user "ehr"',
  'psql: error: connection to server on socket "/tmp/.s.PGSQL.5432" failed: FATAL:  database "ehr" does not exist',
  'ERROR:  could not open extension control file "/usr/share/x.control": No such file or directory',
  "ERROR:  permission denied for table people",
])("%s keeps its names", (line) => {
  expect(withoutQuotedValues(line)).toBe(line);
});

test("what follows a message is dropped, hints and libpq's explanations apart", () => {
  const text = `pg_restore: from TOC entry 3300; 0 16400 TABLE DATA people postgres
pg_restore: error: COPY failed for table "people": ERROR:  duplicate key value violates unique constraint "people_pkey"
DETAIL:  Key (name)=(canary
HINT: canary in a row
canary) already exists.
HINT:  Use another name.
CONTEXT:  COPY people, line 1: "canary"
canary
pg_restore: error: could not execute query: ERROR:  relation "x" does not exist
LINE 1: SELECT canary
               ^
Command was: INSERT INTO x VALUES ('canary
pg_restore_canary');

psql: error: connection to server at "127.0.0.1", port 1 failed: Connection refused
\tIs the server running on that host and accepting TCP/IP connections?`;
  expect(withoutRowValues(text)).toBe(`pg_restore: from TOC entry 3300; 0 16400 TABLE DATA people postgres
pg_restore: error: COPY failed for table "people": ERROR:  duplicate key value violates unique constraint "people_pkey"
HINT:  Use another name.
pg_restore: error: could not execute query: ERROR:  relation "x" does not exist
psql: error: connection to server at "127.0.0.1", port 1 failed: Connection refused
\tIs the server running on that host and accepting TCP/IP connections?`);
});

test("pg_dump's own details keep the server's message and lose the statement", () => {
  const text = `pg_dump: error: Dumping the contents of table "people" failed: PQgetResult() failed.
pg_dump: detail: Error message from server: ERROR:  invalid page in block 3 of relation base/1/2
pg_dump: detail: Command was: COPY public.people (name) TO stdout;`;
  expect(withoutRowValues(text)).toBe(text.split("\n").slice(0, 2).join("\n"));
});

test("a message that the database's own code composed is dropped whole", () => {
  const text = `pg_restore: error: COPY failed for table "people": ERROR:  patient canary, born 1970
and on a second line canary
HINT:  ask canary
CONTEXT:  PL/pgSQL function check_it() line 3 at RAISE
COPY people, line 1: "canary"`;
  const shown = withoutRowValues(text);
  expect(shown).not.toContain("canary");
  expect(shown).toContain('COPY failed for table "people": ERROR:  ***');
  expect(withoutRowValues('ERROR:  no canary\nCONTEXT:  SQL statement "SELECT f()"\nPL/pgSQL function g() line 3 at PERFORM\nPL/Perl function "f"')).not.toContain("canary");
});

test("the words of a program that is none of PostgreSQL's stay as they are", () => {
  const text = 'Error response from daemon: No such container: db\nOCI runtime exec failed: exec: "pg_dump": executable file not found in $PATH';
  expect(withoutRowValues(text)).toBe(text);
});

test("where the beginning was cut off, everything before the first message goes", () => {
  expect(withoutRowValues('canary\nmore canary\npg_dump: error: relation "x" does not exist', true)).toBe('pg_dump: error: relation "x" does not exist');
  expect(withoutRowValues("canary only", true)).toBe("");
});
