import { expect, test } from "vitest";

import { renderTable } from "../../../src/cli/table.ts";

test("columns line up, numbers to the right, without trailing blanks", () => {
  expect(renderTable(["id", "rows"], [["a", "1"], ["long name", "1 000"]], [1])).toBe("id          rows\na              1\nlong name  1 000");
});

test("names with wide, combining and control characters keep the columns straight", () => {
  expect(renderTable(["name", "n"], [["患者", "1"], ["a\tb\nc", "2"], ["e\u0301", "3"], ["\u001b[31mred", "4"], ["$(rm -rf /)", "5"]])).toBe(
    ["name         n", "患者         1", "a�b�c        2", "e\u0301            3", "�[31mred     4", "$(rm -rf /)  5"].join("\n"),
  );
});

test("a table without rows is its header", () => {
  expect(renderTable(["id", "rows"], [])).toBe("id  rows");
});
