import { describe, expect, it } from "vitest";

import { entriesOfTables, findTables, parseList, passesOf } from "../../../src/postgres/table-list.ts";

const table = (schema: string, name: string) => ({ schema, name });

describe("a table", () => {
  const tables = [table("public", "a"), table("public", "a.b"), table("a", "b"), table("Odd", 'q"x'), table("s.t", "u")];
  it.each([
    ["a", "a"], ["public.a", "a"], ['"public"."a"', "a"], ['public"."a', "a"], ['"Odd"."q""x"', 'q"x'], ['Odd.q"x', 'q"x'], ['"a.b"', "a.b"], ['public."a.b"', "a.b"], ['a."b"', "b"], ['"s.t".u', "u"], ["s.t.u", "u"],
  ])("written as %s is found", (text, name) => {
    expect(findTables(tables, [text]).map((found) => found.name)).toEqual([name]);
  });

  it.each(["b", "A", "odd.q", "", "public."])("written as %j is not there", (text) => {
    expect(() => findTables(tables, [text])).toThrow(expect.objectContaining({ code: "not-found" }) as Error);
  });

  it("that may be two is asked for again, in quotes", () => {
    expect(() => findTables(tables, ["a.b"])).toThrow(expect.objectContaining({ code: "usage", message: 'a.b may be the table "public"."a.b" or "a"."b"' }) as Error);
  });

  it("named twice comes once", () => {
    expect(findTables(tables, ["a", "public.a"])).toHaveLength(1);
  });
});

/** As `pg_restore --list --verbose` prints it. */
const list = (...lines: [id: number, text: string, ...needs: number[]][]) =>
  parseList(["; Archive created at 2026-11-21", ...lines.flatMap(([id, text, ...needs]) => [`${id}; 1259 16${id} ${text} owner`, ...(needs.length > 0 ? [`;\tdepends on: ${needs.join(" ")}`] : [])])].join("\n"));
const ids = (entries: readonly { id: number }[]): number[] => entries.map(({ id }) => id);

describe("an archive's entries", () => {
  it("are read with their kinds and what they need", () => {
    expect(list([1, "SCHEMA - app"], [2, "TABLE app TABLE DATA", 1], [3, "TABLE DATA app TABLE DATA", 2]).map(({ id, kind, needs }) => ({ id, kind, needs }))).toEqual([
      { id: 1, kind: "SCHEMA", needs: [] }, { id: 2, kind: "TABLE", needs: [1] }, { id: 3, kind: "TABLE DATA", needs: [2] },
    ]);
  });

  it("bring partitions of partitions, in whatever order they are attached", () => {
    const entries = list([1, "TABLE public top"], [2, "TABLE public mid"], [3, "TABLE public leaf"], [4, "TABLE ATTACH public leaf", 3, 2], [5, "TABLE ATTACH public mid", 2, 1], [6, "TABLE DATA public leaf", 3], [7, "TABLE public other"]);
    const { entries: chosen, tables } = entriesOfTables(entries, new Set([1]));
    expect([...tables].sort()).toEqual([1, 2, 3]);
    expect(ids(chosen)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("bring what a chosen object needs with its grants, but no other table's rows, and no foreign key to it", () => {
    const entries = list(
      [1, "FUNCTION public f()"], [2, "ACL public FUNCTION f()", 1], [3, "TABLE public a"], [4, "TABLE public b"], [5, "TRIGGER public a t", 3, 1], [6, "FK CONSTRAINT public a fk", 3, 4], [7, "TABLE DATA public b", 4], [8, "COMMENT public TABLE b", 4],
    );
    expect(ids(entriesOfTables(entries, new Set([3])).entries)).toEqual([1, 2, 3, 5]);
    expect(ids(entriesOfTables(entries, new Set([3, 4])).entries)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("of a materialized view are refused without its tables, also behind a view", () => {
    const entries = list([1, "TABLE public t"], [2, "VIEW public v", 1], [3, "MATERIALIZED VIEW public m", 2], [4, "MATERIALIZED VIEW DATA public m", 3]);
    expect(() => entriesOfTables(entries, new Set([3]))).toThrow(expect.objectContaining({ code: "refused", message: "a materialized view is computed from one that was not asked for: TABLE public t owner" }) as Error);
    expect(ids(entriesOfTables(entries, new Set([1, 3])).entries)).toEqual([1, 2, 3, 4]);
  });

  it("are restored in passes: parts of indexes are attached by one connection, event triggers come last", () => {
    const entries = list([1, "TABLE public t"], [2, "INDEX public i", 1], [3, "INDEX ATTACH public p", 2], [4, "FK CONSTRAINT public x fk", 3], [5, "EVENT TRIGGER - e"], [6, "COMMENT - EVENT TRIGGER e", 5]);
    expect(passesOf(entries, 4).map((pass) => [ids(pass.entries), pass.jobs])).toEqual([[[1, 2], 4], [[3], 1], [[4, 5, 6], 4]]);
    expect(passesOf(list([1, "TABLE public t"]), 4)).toHaveLength(1);
  });
});
