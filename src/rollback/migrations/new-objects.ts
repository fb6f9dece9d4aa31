/**
 * What a migration has made so far: no older release knows it, so what is done to it disturbs none. Names are taken as they
 * are written: `public.t` and `t` may be two tables.
 */
import { type NodeOf, relationName } from "./sql.ts";

/** What a row of the older release has in a new column: nothing, a value of its own, or the one of every other row. */
export type Filling = "null" | "own" | "same" | "computed";

export class NewObjects {
  readonly #names = new Set<string>();
  readonly #columns = new Map<string, Filling>();

  addRelation(relation: NodeOf<"RangeVar"> | undefined): void {
    this.#names.add(`relation ${relationName(relation)}`);
  }

  hasRelation(relation: NodeOf<"RangeVar"> | string | undefined): boolean {
    return this.#names.has(`relation ${typeof relation === "string" ? relation : relationName(relation)}`);
  }

  /** Types, domains, functions. */
  add(kind: string, name: string): void {
    this.#names.add(`${kind} ${name}`);
  }

  has(kind: string, name: string): boolean {
    return this.#names.has(`${kind} ${name}`);
  }

  addColumn(table: NodeOf<"RangeVar"> | undefined, column: string, filling: Filling): void {
    this.#columns.set(`${relationName(table)} ${column}`, filling);
  }

  filling(table: NodeOf<"RangeVar"> | undefined, column: string): Filling | undefined {
    return this.#columns.get(`${relationName(table)} ${column}`);
  }

  /** With another search path the same name is another object. */
  forget(): void {
    this.#names.clear();
    this.#columns.clear();
  }
}
