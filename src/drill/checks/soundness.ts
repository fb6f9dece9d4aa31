/** What the copy's own state and PostgreSQL's amcheck say about it, as checks. */
import { type Amcheck, type Coverage, runAmcheck } from "../../postgres/amcheck.ts";
import { defaultSearchPath } from "../../postgres/answer.ts";
import { type Health, readHealth } from "../../postgres/health.ts";
import type { Session } from "../../postgres/session.ts";
import { conditionOf } from "../../postgres/sql-conditions.ts";
import type { Finding } from "./check.ts";

const shown = 10;

function listed(names: readonly string[]): string {
  return [...names.slice(0, shown), ...(names.length > shown ? [`and ${names.length - shown} more`] : [])].join(", ");
}

/** @param session - of the copy */
export async function checkHealth(session: Session): Promise<Finding> {
  return healthFinding(await readHealth(session));
}

/** Pure: fails on what no restore should leave; tells of what the source most likely has as well, which the comparison of schemas decides. */
export function healthFinding(health: Health): Finding {
  const compared = health.indexes + health.constraints;
  const wrong = [
    ...(health.invalidIndexes.length > 0 ? [`${counted(health.invalidIndexes, "index", "indexes")} invalid: ${listed(health.invalidIndexes)}`] : []),
    ...(health.unenforcedKeys.length > 0 ? [`${counted(health.unenforcedKeys, "foreign key", "foreign keys")} switched off: ${listed(health.unenforcedKeys)}`] : []),
  ];
  const notes = ([
    ["constraints never validated", health.unvalidatedConstraints],
    ["constraints not enforced by definition", health.notEnforcedConstraints],
    ["indexes of partitioned tables that lack a partition's", health.incompleteIndexes],
    ["disabled triggers", health.disabledTriggers],
  ] as const).flatMap(([what, names]) => (names.length === 0 ? [] : [`${what}: ${listed(names)}`]));
  const asDefined = notes.length === 0 ? [] : [`part of the schema, which is compared with the source's: ${notes.join("; ")}`];
  const keyless = health.withoutPrimaryKey.length === 0 ? [] : [`${health.withoutPrimaryKey.length} ${health.withoutPrimaryKey.length === 1 ? "table has" : "tables have"} no primary key`];
  if (wrong.length > 0) return { outcome: "fail", compared, detail: [...wrong, ...asDefined, ...keyless].join("; ") };
  return { outcome: "pass", compared, detail: [`${health.indexes} indexes are valid and every foreign key is enforced`, ...asDefined, ...keyless].join("; ") };
}

function counted(names: readonly string[], one: string, several: string): string {
  return names.length === 1 ? `1 ${one} is` : `${names.length} ${several} are`;
}

const defaultBudgetMs = 300_000;

/** Run it after the comparison: it makes an extension in the copy, and removes it again. @param session - of the copy, in no transaction */
export async function checkFiles(session: Session, { budgetMs = defaultBudgetMs }: { readonly budgetMs?: number } = {}): Promise<Finding> {
  return amcheckFinding(await runAmcheck(session, { budgetMs, searchPath: await defaultSearchPath(session) }), budgetMs);
}

/** Pure. Damage fails; what was not seen is said; where nothing was seen, nothing is claimed. */
export function amcheckFinding(amcheck: Amcheck, budgetMs: number): Finding {
  if ("unavailable" in amcheck) return { outcome: "left-out", detail: amcheck.unavailable };
  const { version, indexes, heaps, damaged, refused } = amcheck;
  const compared = indexes.checked + (heaps?.checked ?? 0);
  const total = indexes.total + (heaps?.total ?? 0);
  const scope = [`amcheck ${version}: ${covered(indexes, "B-tree indexes")}, ${heaps === undefined ? "no tables (this version cannot)" : covered(heaps, "tables")}`];
  const late = total - compared - refused.length;
  if (late > 0) scope.push(`${late} not looked at, because the time of ${budgetMs / 1000} s was over`);
  if (refused.length > 0) scope.push(`${refused.length} could not be looked at: ${listed(refused.map(({ relation, sqlState }) => `${relation}, ${conditionOf(sqlState)}`))}`);
  if (damaged.length > 0) {
    const names = damaged.map(({ relation, how }) => `${relation}, ${/^[0-9A-Z]{5}$/.test(how) ? conditionOf(how) : how}`);
    return { outcome: "fail", compared, detail: `${damaged.length} damaged: ${listed(names)}; ${scope.join("; ")}` };
  }
  if (total === 0) return { outcome: "left-out", compared, detail: "the copy has no table or index to look into" };
  if (compared === 0) return { outcome: "unverified", compared, detail: `nothing was seen; ${scope.join("; ")}` };
  return { outcome: "pass", compared, detail: `nothing damaged; ${scope.join("; ")}` };
}

function covered({ checked, total, checkedBytes, totalBytes }: Coverage, what: string): string {
  if (checked === total) return `all ${total} ${what} looked into`;
  return `${checked} of ${total} ${what} looked into (${totalBytes === 0 ? 100 : Math.floor((100 * checkedBytes) / totalBytes)} % of their bytes)`;
}
