/** SQL as PostgreSQL's own tools write it, cut into statements of tokens: what stands in quotes is never taken for syntax. */

export interface Token {
  readonly kind: "space" | "command" | "text" | "quoted" | "word" | "symbol";
  readonly text: string;
}

export type Statement = readonly Token[];

/** `command` is one of psql's own, from a backslash to the end of its line; comments are `space`. */
const grammar: readonly (readonly [Token["kind"], string])[] = [
  ["space", String.raw`(?:\s|--[^\n]*|/\*[\s\S]*?\*/)+`],
  ["command", String.raw`\\[^\n]*`],
  ["text", String.raw`\$(?<tag>(?:[\p{L}_][\p{L}\p{N}_]*)?)\$[\s\S]*?\$\k<tag>\$|[eE]'(?:[^'\\]|\\[\s\S]|'')*'|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'`],
  ["quoted", String.raw`(?:[uU]&)?"(?:[^"]|"")+"`],
  ["word", String.raw`[\p{L}_][\p{L}\p{N}_$]*|\p{N}[\p{L}\p{N}_.]*`],
  ["symbol", String.raw`[\s\S]`],
];

const next = new RegExp(grammar.map(([kind, pattern]) => `(?<${kind}>${pattern})`).join("|"), "gu");

function* tokensOf(sql: string): Generator<Token> {
  for (const match of sql.matchAll(next)) {
    const kind = grammar.find(([name]) => match.groups?.[name] !== undefined)?.[0] ?? "symbol";
    yield { kind, text: match[0] };
  }
}

/** Every token of `script` is in one statement, so joining all gives the script back. A statement ends with its semicolon, or is a psql command. */
export function statementsOf(script: string): Statement[] {
  const statements: Token[][] = [];
  let current: Token[] = [];
  const end = (): void => {
    if (current.length > 0) statements.push(current);
    current = [];
  };
  for (const token of tokensOf(script)) {
    current.push(token);
    if (token.kind === "command" || (token.kind === "symbol" && token.text === ";")) end();
  }
  end();
  return statements;
}

export function textOf(statement: Statement): string {
  return statement.map((token) => token.text).join("");
}

/** The tokens that count: without spaces and comments. */
export function significant(statement: Statement): Token[] {
  return statement.filter((token) => token.kind !== "space");
}

/** Whether `tokens` at `at` are the keywords `phrase` ("OWNER TO"). */
export function isPhrase(tokens: readonly Token[], at: number, phrase: string): boolean {
  return phrase.split(" ").every((word, index) => {
    const token = tokens[at + index];
    return token?.kind === "word" && token.text.toUpperCase() === word;
  });
}

/** The name that an identifier, or a string in the place of one, stands for. */
export function nameOf({ kind, text }: Token): string {
  if (kind === "quoted") return text.slice(1, -1).replaceAll('""', '"');
  if (kind === "text") return text.replace(/^[^']*'|'$/g, "").replaceAll("''", "'");
  return text.toLowerCase();
}
