/** Roles at a restore: those that are missing made anew, those of the source written as others. */
import { identifier } from "./session.ts";
import { isPhrase, nameOf, significant, type Statement, statementsOf, textOf, type Token } from "./statements.ts";

/** A statement of a globals part about one role. */
interface RoleStatement {
  readonly role: string;
  /** Of a membership: the group. */
  readonly group?: string;
  readonly sql: string;
}

/** What a globals part says of roles themselves; settings within a database and tablespaces are left out. */
function roleStatements(globals: string): RoleStatement[] {
  return statementsOf(globals).flatMap((statement): RoleStatement[] => {
    const tokens = significant(statement).filter(({ text }, at, all) => !(text === ";" && at === all.length - 1));
    const sql = (kept: readonly Token[]): string => kept.map(({ text }) => text).join(" ");
    const named = (at: number): string => nameOf(tokens[at] ?? { kind: "word", text: "" });
    if (isPhrase(tokens, 0, "CREATE ROLE")) return [{ role: named(2), sql: sql(tokens) }];
    if (isPhrase(tokens, 0, "COMMENT ON ROLE")) return [{ role: named(3), sql: sql(tokens) }];
    if (isPhrase(tokens, 0, "ALTER ROLE") && (isPhrase(tokens, 3, "WITH") || isPhrase(tokens, 3, "SET"))) return [{ role: named(2), sql: sql(withoutPassword(tokens)) }];
    // Two words alone lie between GRANT and the member: a membership, and no privilege on an object.
    if (isPhrase(tokens, 0, "GRANT") && isPhrase(tokens, 2, "TO")) {
      const by = tokens.findIndex((_, at) => isPhrase(tokens, at, "GRANTED BY"));
      return [{ role: named(3), group: named(1), sql: sql(by < 0 ? tokens : tokens.slice(0, by)) }];
    }
    return [];
  });
}

function withoutPassword(tokens: readonly Token[]): Token[] {
  const at = isPhrase(tokens, 3, "WITH") ? tokens.findIndex((_, index) => isPhrase(tokens, index, "PASSWORD")) : -1;
  return tokens.filter((_, index) => at < 0 || (index !== at && index !== at + 1));
}

/** `missing` and the groups they belong to, as far as the server lacks these too: a member without its groups has not its rights. */
export function rolesToCreate(globals: string, missing: ReadonlySet<string>, present: ReadonlySet<string>): Set<string> {
  const memberships = roleStatements(globals);
  const wanted = new Set(missing);
  for (let before = -1; before !== wanted.size; ) {
    before = wanted.size;
    for (const { role, group } of memberships) if (group !== undefined && wanted.has(role) && !present.has(group)) wanted.add(group);
  }
  return wanted;
}

/**
 * The statements of a globals part that make the `missing` roles, their settings, comments and memberships, without
 * passwords and final semicolons. Nothing about a role that exists is changed.
 */
export function statementsForRoles(globals: string, missing: ReadonlySet<string>): string[] {
  return roleStatements(globals).flatMap(({ role, sql }) => (missing.has(role) ? [sql] : []));
}

/** Where a statement names roles: what it begins with, and the keywords that a list of roles follows. */
const placesOfRoles: readonly (readonly [start: string, before: readonly string[]])[] = [
  ["ALTER DEFAULT PRIVILEGES", ["FOR ROLE", "TO", "FROM"]],
  ["ALTER ROLE", ["ROLE"]],
  ["ALTER", ["OWNER TO"]],
  ["GRANT", ["TO", "GRANTED BY"]],
  ["REVOKE", ["FROM", "GRANTED BY"]],
  ["CREATE POLICY", ["TO"]],
  ["CREATE USER MAPPING", ["FOR"]],
  ["SET SESSION AUTHORIZATION", ["AUTHORIZATION"]],
];

/** A script of PostgreSQL's tools with the roles of `map` replaced where its statements name roles, and nowhere else. */
export function mapRoles(script: string, map: ReadonlyMap<string, string>): string {
  return statementsOf(script).map((statement) => textOf(mapStatement(statement, map))).join("");
}

function mapStatement(statement: Statement, map: ReadonlyMap<string, string>): Statement {
  const tokens = significant(statement);
  const before = placesOfRoles.find(([start]) => isPhrase(tokens, 0, start))?.[1];
  if (before === undefined) return statement;
  const roles = new Set<Token>();
  let depth = 0;
  for (const [at, { text, kind }] of tokens.entries()) {
    if (kind === "symbol") depth += text === "(" ? 1 : text === ")" ? -1 : 0;
    const phrase = depth === 0 ? before.find((words) => isPhrase(tokens, at, words)) : undefined;
    if (phrase !== undefined) for (const role of listAfter(tokens, at + phrase.split(" ").length)) roles.add(role);
  }
  return statement.map((token) => {
    const mapped = roles.has(token) ? map.get(nameOf(token)) : undefined;
    return mapped === undefined ? token : { kind: "quoted", text: identifier(mapped) };
  });
}

function listAfter(tokens: readonly Token[], from: number): Token[] {
  const list: Token[] = [];
  for (let at = from; ; at += 2) {
    const name = tokens[at];
    if (name !== undefined && name.kind !== "symbol") list.push(name);
    if (tokens[at + 1]?.text !== ",") return list;
  }
}

/** Statements that say to whom something belongs or is granted, or what a role has set: all that a restore without owners leaves out. */
export function withoutRoles(script: string): string {
  const about = ["GRANT", "REVOKE", "ALTER ROLE"];
  return statementsOf(script)
    .filter((statement) => {
      const tokens = significant(statement);
      return !about.some((start) => isPhrase(tokens, 0, start)) && !tokens.some((_, at) => isPhrase(tokens, at, "OWNER TO"));
    })
    .map(textOf)
    .join("");
}
