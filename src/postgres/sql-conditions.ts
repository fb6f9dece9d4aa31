/** SQLSTATEs in words of our own, for where the server's message may quote what nobody may see. */

const conditions: Readonly<Record<string, string>> = {
  "22012": "division by zero",
  "22P02": "a text that is no value of the type",
  "25006": "it writes in a read-only transaction",
  "3F000": "a schema that does not exist",
  "40001": "a conflict of transactions",
  "42501": "a privilege is missing",
  "42601": "a syntax error",
  "42702": "an ambiguous column",
  "42703": "a column that does not exist",
  "42704": "an object that does not exist",
  "42725": "an ambiguous function",
  "42803": "a grouping error",
  "42804": "types that do not fit",
  "42846": "a cast that does not exist",
  "42883": "a function or operator that does not exist",
  "42P01": "a table that does not exist",
  "42P02": "a parameter that does not exist",
  "53100": "the disk is full",
  "53200": "out of memory",
  "55P03": "a lock that was not to be had",
  "57014": "it took too long",
  P0001: "the database's own code raised an exception",
  XX001: "damaged data",
  XX002: "a damaged index",
};

const classes: Readonly<Record<string, string>> = {
  "08": "the connection failed", "21": "more than one row from a subquery", "22": "a value that does not fit its type", "23": "a constraint was violated", "25": "the transaction's state forbids it",
  "42": "a syntax error or a wrong name", "53": "the server lacks resources", "54": "a limit of the server", "55": "an object is not in the state that is needed", "57": "the server was told to stop it",
  "58": "the server's system failed", P0: "the database's own code raised an exception", XX: "an internal error of the server",
};

/** `a column that does not exist (42703)`. */
export function conditionOf(sqlState: string): string {
  const words = conditions[sqlState] ?? classes[sqlState.slice(0, 2)];
  return words === undefined ? `SQLSTATE ${sqlState}` : `${words} (${sqlState})`;
}
