/**
 * Counts the rows that an archive holds, table by table, from what pg_restore would send to a server: the proof, without
 * a server, that the archive carries what the truth says. Rows are counted and forgotten; no value is kept or shown.
 */

const newline = 0x0a;
const endOfRows = Buffer.from("\\.");
/** A statement outside of rows is short, but for a large object's page: of that the beginning is enough. */
const longestStatement = 64 * 1024;

/** Rows by table: schema, dot, name, without the quotes that a script needs. */
export type RowCounts = Map<string, number>;

/** Counts rows in a script of `pg_restore --section=data`, given in pieces of any size. */
export class RowCounter {
  readonly counts: RowCounts = new Map();
  #table: string | undefined;
  #line = Buffer.alloc(0);
  #statement = "";

  push(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      this.#end(chunk.subarray(from, at));
      from = at + 1;
    }
    this.#keep(chunk.subarray(from));
  }

  /** @returns whether the script ended outside of a table's rows */
  finished(): boolean {
    return this.#table === undefined;
  }

  /** The beginning of a line whose end is in the next piece. Inside rows only two bytes of it can matter. */
  #keep(rest: Buffer): void {
    const most = this.#table === undefined ? longestStatement : endOfRows.length + 1;
    if (rest.length > 0 && this.#line.length < most) this.#line = Buffer.concat([this.#line, rest.subarray(0, most - this.#line.length)]);
  }

  #end(rest: Buffer): void {
    let line = rest;
    if (this.#line.length > 0) {
      this.#keep(rest);
      line = this.#line;
      this.#line = Buffer.alloc(0);
    }
    if (this.#table === undefined) this.#readStatement(line);
    else if (line.length === endOfRows.length && line.equals(endOfRows)) this.#table = undefined;
    else this.counts.set(this.#table, (this.counts.get(this.#table) ?? 0) + 1);
  }

  /** A name may hold newlines, so a COPY statement may take several lines. */
  #readStatement(line: Buffer): void {
    const text = line.subarray(0, longestStatement).toString("utf8");
    if (this.#statement === "" && !text.startsWith("COPY ")) return;
    this.#statement += this.#statement === "" ? text : `\n${text}`;
    if (!this.#statement.endsWith(" FROM stdin;")) return;
    const [, schema, table] = /^COPY ("(?:[^"]|"")+"|[^\s".]+)\.("(?:[^"]|"")+"|[^\s".]+) /u.exec(this.#statement) ?? [];
    this.#statement = "";
    if (schema === undefined || table === undefined) return;
    const name = `${unquoted(schema)}.${unquoted(table)}`;
    this.#table = name;
    this.counts.set(name, this.counts.get(name) ?? 0);
  }
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
