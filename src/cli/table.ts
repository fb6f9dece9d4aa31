/** Rows in columns, without frames: easy to read, easy to cut. */
import { getBorderCharacters, table } from "table";

import { printable } from "../text/format.ts";

export function renderTable(header: readonly string[], rows: readonly (readonly string[])[], rightAligned: readonly number[] = []): string {
  const columns = header.map((_, index) => ({ alignment: rightAligned.includes(index) ? ("right" as const) : ("left" as const), paddingLeft: 0, paddingRight: 2 }));
  // The package refuses control characters, which names in a database may hold. PostgreSQL continues a message by a line break and a tab.
  const clean = (cell: string): string => printable(cell).replaceAll("\n\t", " ").replace(/[\n\t]/g, "\ufffd");
  return table([[...header], ...rows.map((row) => row.map(clean))], { border: getBorderCharacters("void"), columns, drawHorizontalLine: () => false })
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")
    .trimEnd();
}
