import { expect, test } from "vitest";

import { booleanVariables, splitList } from "../../../src/cli/variables.ts";

const flags = { quiet: { type: "boolean", env: "Q" }, tables: { type: "option", env: "T", multiple: true }, confirm: { type: "boolean" } };

test.each(["1", "true", "TRUE", "yes", "on", " y "])("%j means yes", (text) => {
  expect(booleanVariables(flags, { Q: text }).get("Q")).toBe("true");
});

test.each(["0", "false", "False", "no", "off", "n", "", " "])("%j means that the flag is not given", (text) => {
  const read = booleanVariables(flags, { Q: text });
  expect(read.has("Q")).toBe(true);
  expect(read.get("Q")).toBeUndefined();
});

test("a boolean that is neither is refused, with the variable and the value seen", () => {
  expect(() => booleanVariables(flags, { Q: "maybe" })).toThrow('Q is "maybe", but must be true or false');
});

test("variables of other flags are none of its business", () => {
  expect(booleanVariables(flags, { T: "maybe" }).size).toBe(0);
});

test("a list from a variable is split at commas, one from the command line is left", () => {
  expect(splitList("public.a, b ,,c")).toEqual(["public.a", "b", "c"]);
  expect(splitList(["a,b"])).toEqual(["a,b"]);
  expect(splitList(undefined)).toBeUndefined();
});
