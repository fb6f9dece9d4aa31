import { describe, expect, it } from "vitest";

import { everything } from "../../../src/postgres/dump.ts";
import { tableFilter } from "../../../src/postgres/patterns.ts";

const holds = (filter: Partial<typeof everything>, schema: string, name: string): boolean => tableFilter({ ...everything, ...filter })({ schema, name });

describe("a pattern", () => {
  it.each([
    ["public.log", "public", "log", true],
    ["public.log", "public", "log2", false],
    ["public.log*", "public", "log2", true],
    ["public.log?", "public", "log22", false],
    ["*.log", "audit", "log", true],
    ["PUBLIC.Log", "public", "log", true],
    ['public."Log"', "public", "Log", true],
    ['public."Log"', "public", "log", false],
    ['"a.b"."c*"', "a.b", "c*", true],
    ['"a.b"."c*"', "a.b", "cd", false],
    ['public."say ""hi"""', "public", 'say "hi"', true],
    ["public.a+b", "public", "aab", false],
    ["public.*", "public", "two\nlines ☃", true],
  ])("%s, held against %j and %j: %s", (pattern, schema, name, expected) => {
    expect(holds({ includeTables: [pattern] }, schema, name)).toBe(expected);
    expect(holds({ excludeTables: [pattern] }, schema, name)).toBe(!expected);
  });

  it("without a schema is refused, since pg_dump would look along the search path", () => {
    expect(() => tableFilter({ ...everything, includeTables: ["log"] })).toThrow(expect.objectContaining({ code: "configuration" }) as Error);
  });
});

it("what is excluded stays out though it is included, and a table without its rows is not counted", () => {
  expect(holds({ includeSchemas: ["clinic"] }, "clinic", "a")).toBe(true);
  expect(holds({ includeSchemas: ["clinic"] }, "audit", "a")).toBe(false);
  expect(holds({ includeSchemas: ["clinic"], includeTables: ["audit.a"] }, "audit", "a")).toBe(true);
  expect(holds({ includeSchemas: ["clinic"], excludeTables: ["clinic.a"] }, "clinic", "a")).toBe(false);
  expect(holds({ excludeSchemas: ["aud*"] }, "audit", "a")).toBe(false);
  expect(holds({ excludeTableData: ["public.big"] }, "public", "big")).toBe(false);
});
