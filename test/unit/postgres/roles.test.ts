import { describe, expect, it } from "vitest";

import { mapRoles, rolesToCreate, statementsForRoles, withoutRoles } from "../../../src/postgres/roles.ts";
import { statementsOf, textOf } from "../../../src/postgres/statements.ts";

const globals = `--
-- Roles
--

CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS PASSWORD 'SCRAM-SHA-256$4096:x;y' VALID UNTIL 'infinity';
COMMENT ON ROLE app IS 'the app; CREATE ROLE evil;';
CREATE ROLE "odd ""role""; x";
ALTER ROLE "odd ""role""; x" WITH NOSUPERUSER NOLOGIN;
CREATE ROLE readers;
ALTER ROLE readers WITH NOLOGIN;
CREATE ROLE outer_group;
ALTER ROLE outer_group WITH NOLOGIN;
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER;
ALTER ROLE app SET search_path TO 'clinic', 'public';
ALTER ROLE app IN DATABASE other SET work_mem TO '1GB';
GRANT readers TO app GRANTED BY postgres;
GRANT outer_group TO readers WITH ADMIN OPTION GRANTED BY postgres;
GRANT app TO postgres GRANTED BY postgres;
CREATE TABLESPACE fast OWNER app LOCATION '/fast';
GRANT CREATE ON TABLESPACE fast TO app;
`;

describe("roles that are missing", () => {
  it("come back with their attributes, comments, settings and memberships, but without passwords", () => {
    expect(statementsForRoles(globals, new Set(["app"]))).toEqual([
      "CREATE ROLE app",
      "ALTER ROLE app WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS VALID UNTIL 'infinity'",
      "COMMENT ON ROLE app IS 'the app; CREATE ROLE evil;'",
      "ALTER ROLE app SET search_path TO 'clinic' , 'public'",
      "GRANT readers TO app",
    ]);
  });

  it("may have quotes, spaces and semicolons in their names", () => {
    expect(statementsForRoles(globals, new Set(['odd "role"; x']))).toEqual(['CREATE ROLE "odd ""role""; x"', 'ALTER ROLE "odd ""role""; x" WITH NOSUPERUSER NOLOGIN']);
  });

  it("bring the groups that they are members of, however far up, if the server lacks these", () => {
    expect([...rolesToCreate(globals, new Set(["app"]), new Set(["postgres"]))]).toEqual(["app", "readers", "outer_group"]);
    expect([...rolesToCreate(globals, new Set(["app"]), new Set(["postgres", "readers"]))]).toEqual(["app"]);
  });

  it("change nothing about roles that exist, not even a membership in a role that is made", () => {
    expect(statementsForRoles(globals, new Set(["app"])).join("\n")).not.toMatch(/TO postgres|TABLESPACE/);
    expect(statementsForRoles(globals, new Set())).toEqual([]);
  });
});

describe("roles that are mapped", () => {
  const map = new Map([["old", "new"], ['odd "role"', "n e w"]]);
  it.each([
    ["an owner", "ALTER TABLE public.t OWNER TO old;", 'ALTER TABLE public.t OWNER TO "new";'],
    ["the owner of a function with arguments", "ALTER FUNCTION f(old text) OWNER TO old;", 'ALTER FUNCTION f(old text) OWNER TO "new";'],
    ["the owner of a database that psql names", 'ALTER DATABASE :"DBNAME" OWNER TO "odd ""role""";', 'ALTER DATABASE :"DBNAME" OWNER TO "n e w";'],
    ["a grant on a table called like the role", "GRANT SELECT ON TABLE old TO old WITH GRANT OPTION;", 'GRANT SELECT ON TABLE old TO "new" WITH GRANT OPTION;'],
    ["a grant on columns", "GRANT SELECT(old),UPDATE(b) ON TABLE t TO old;", 'GRANT SELECT(old),UPDATE(b) ON TABLE t TO "new";'],
    ["a grant by a third", "SET SESSION AUTHORIZATION old;\nGRANT SELECT ON TABLE t TO x;\nRESET SESSION AUTHORIZATION;", 'SET SESSION AUTHORIZATION "new";\nGRANT SELECT ON TABLE t TO x;\nRESET SESSION AUTHORIZATION;'],
    ["a revocation", 'REVOKE ALL ON TABLE t FROM "odd ""role""";', 'REVOKE ALL ON TABLE t FROM "n e w";'],
    ["default privileges", "ALTER DEFAULT PRIVILEGES FOR ROLE old IN SCHEMA s GRANT SELECT ON TABLES TO old;", 'ALTER DEFAULT PRIVILEGES FOR ROLE "new" IN SCHEMA s GRANT SELECT ON TABLES TO "new";'],
    ["a policy, but not a column of its condition", "CREATE POLICY p ON t FOR SELECT TO a, old, b USING ((substr(x, old) = 'TO old'));", `CREATE POLICY p ON t FOR SELECT TO a, "new", b USING ((substr(x, old) = 'TO old'));`],
    ["a user mapping", "CREATE USER MAPPING FOR old SERVER s OPTIONS (\n    \"user\" 'old'\n);", "CREATE USER MAPPING FOR \"new\" SERVER s OPTIONS (\n    \"user\" 'old'\n);"],
    ["a setting within a database", 'ALTER ROLE old IN DATABASE :"DBNAME" SET "work_mem" TO \'4MB\';', 'ALTER ROLE "new" IN DATABASE :"DBNAME" SET "work_mem" TO \'4MB\';'],
  ])("are replaced in %s", (_, before, after) => {
    expect(mapRoles(before, map)).toBe(after);
  });

  it.each([
    ["a function's body", "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $_$\nBEGIN\nGRANT x TO old;\nALTER TABLE t OWNER TO old;\nEND $_$;\n"],
    ["a body in single quotes", "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS '\nGRANT x TO old;\n';\n"],
    ["a comment of several lines", "COMMENT ON TABLE t IS 'it''s $$ odd\nGRANT x TO old;\n';\n"],
    ["a column", "CREATE TABLE t (\n    old text DEFAULT 'OWNER TO old'\n);\n"],
    ["a remark", "-- Name: t; Type: TABLE; Owner: old\n"],
  ])("stay as they are in %s", (_, sql) => {
    expect(mapRoles(sql, map)).toBe(sql);
  });

  it("are still replaced behind a text that holds a lone dollar quote", () => {
    expect(mapRoles("COMMENT ON TABLE t IS '$$';\nGRANT x TO old;", map)).toBe("COMMENT ON TABLE t IS '$$';\nGRANT x TO \"new\";");
  });
});

it("a script without roles keeps comments and settings, also those that look like grants", () => {
  const script = `ALTER DATABASE :"DBNAME" OWNER TO x;\nGRANT CONNECT ON DATABASE :"DBNAME" TO x;\nALTER ROLE x IN DATABASE :"DBNAME" SET a TO 'b';\nCOMMENT ON DATABASE :"DBNAME" IS 'a\nGRANT b\n';\n`;
  expect(withoutRoles(script).trim()).toBe(`COMMENT ON DATABASE :"DBNAME" IS 'a\nGRANT b\n';`);
});

it("statements put together again are the script", () => {
  const script = "\\restrict abc\n-- it's a remark; really\nSELECT $a$ ; $b$ $a$, E'\\';', 'a''b;', \"x;\"\"y\", a$b;\n/* ; */ CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END;";
  expect(statementsOf(script).map(textOf).join("")).toBe(script);
  expect(statementsOf(script)).toHaveLength(4);
});
