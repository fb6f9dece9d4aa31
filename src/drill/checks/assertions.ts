/**
 * The user's own questions to the copy. A wrong answer fails; a question that cannot be asked, or whose answer is not of
 * the kind that is expected, verifies nothing. Nothing of the query, of what was expected or of what was found is
 * shown, except the value where the assertion says that it is not sensitive: PostgreSQL's messages quote all three.
 */
import type { Assertion, Expectation } from "../../config/drill-settings.ts";
import { type Answer, ask } from "../../postgres/answer.ts";
import { identifier, type Session, SqlError } from "../../postgres/session.ts";
import { conditionOf } from "../../postgres/sql-conditions.ts";
import type { Finding } from "./check.ts";

export interface AssertionOptions {
  /** Milliseconds for one query. */
  readonly timeoutMs?: number | undefined;
  /** The schema that the application's own URL names (Prisma's `?schema=`), if it does. */
  readonly schema?: string | undefined;
}

const defaultTimeoutMs = 300_000;
const shownLength = 200;

/** @param session - of the copy, in no transaction */
export async function checkAssertion(session: Session, assertion: Assertion, { timeoutMs = defaultTimeoutMs, schema }: AssertionOptions = {}): Promise<Finding> {
  try {
    const answer = await ask(session, assertion.sql, { timeoutMs, searchPath: schema === undefined ? undefined : identifier(schema) });
    const judged = judge(answer, assertion.expect);
    const found = assertion.sensitive || answer.value === undefined || answer.rows !== 1 ? "" : `: found ${shown(answer.value)}`;
    return { outcome: judged.outcome, detail: `${judged.detail}${found}`, compared: judged.outcome === "unverified" ? undefined : 1 };
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    return { outcome: "unverified", detail: `the query could not be answered: ${reasonOf(error.sqlState, timeoutMs)}` };
  }
}

function reasonOf(sqlState: string, timeoutMs: number): string {
  if (sqlState === "25006") return "it writes, which assertions may not (25006)";
  if (sqlState === "42P11") return "it is not one statement that yields rows (42P11)";
  if (sqlState === "57014") return `it took longer than ${timeoutMs / 1000} s (57014)`;
  return conditionOf(sqlState);
}

function shown({ kind, text }: NonNullable<Answer["value"]>): string {
  if (kind === "null") return "NULL";
  const short = text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
  return kind === "text" ? JSON.stringify(short) : short;
}

type Judgement = Pick<Finding, "outcome" | "detail">;

const pass = (detail: string): Judgement => ({ outcome: "pass", detail });
const fail = (detail: string): Judgement => ({ outcome: "fail", detail });
const unverified = (detail: string): Judgement => ({ outcome: "unverified", detail });

/** Pure: whether an answer is the expected one. */
export function judge({ rows, columns, value }: Answer, expect: Expectation): Judgement {
  if ("nonEmpty" in expect) return rows > 0 ? pass("the query yields rows, as expected") : fail("the query yields no row, but at least one is expected");
  if (rows === 0) return fail("the query yields no row, but a value is expected");
  if (rows > 1) return unverified("the query yields several rows, but one value is expected: aggregate them, or expect nonEmpty");
  if (value === undefined) return unverified(`the query yields ${columns} columns, but one value is expected`);
  if (value.kind === "null") return fail("the answer is NULL, but a value is expected");
  if ("matches" in expect) return new RegExp(expect.matches, "u").test(value.text) ? pass("the answer matches the expected pattern") : fail("the answer does not match the expected pattern");
  if ("equals" in expect) return equality(value, expect.equals);
  const number = numberOf(value.text);
  if (number === undefined) return unverified("the answer is no number, but a range is expected");
  const inside = (expect.min === undefined || number >= expect.min) && (expect.max === undefined || number <= expect.max);
  return inside ? pass("the answer lies in the expected range") : fail("the answer lies outside the expected range");
}

function equality({ kind, text }: NonNullable<Answer["value"]>, expected: string | number | boolean): Judgement {
  const equal = (are: boolean): Judgement => (are ? pass("the answer equals the expected value") : fail("the answer differs from the expected value"));
  if (typeof expected === "string") return equal(text === expected);
  if (typeof expected === "boolean") return kind === "boolean" ? equal(text === String(expected)) : unverified("the answer is neither true nor false, but one of them is expected");
  const number = numberOf(text);
  if (number === undefined) return unverified("the answer is no number, but one is expected");
  // Beyond 2^53, different integers are one to JavaScript.
  if (/^-?\d+$/.test(text) && Number.isInteger(expected)) return equal(BigInt(text) === BigInt(expected));
  return equal(number === expected);
}

function numberOf(text: string): number | undefined {
  return /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined;
}
