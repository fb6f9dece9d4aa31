/**
 * What PostgreSQL and its programs say, without the rows that they quote: patients' data must not reach a log.
 * The labels (DETAIL, CONTEXT…) are the client's words, and clients are made to speak English (see run.ts). The message
 * itself is the server's and may be in any language, so what it quotes is hidden unless the word before says that it is
 * a name.
 */
import { mask } from "./redact.ts";

/** A program's own message, `pg_restore: error: …` or `psql:<stdin>:3: ERROR:  …`. */
const programMessage = /^(?:psql|pg_\w+|initdb|createdb|dropdb)(?::[^\s:]*)*: /;
/** A server's message as psql prints it when it reads from a pipe; the severity may be in any language. */
const bareMessage = /^\p{Lu}+ ?: {2}/u;
/** What belongs to a message and may hold rows, statements or definitions. */
const labelled = /^(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+|LOCATION|[A-Z]+ NAME|Command was|COPY \S+, line)\b/;
const commandOf = /^(?:psql|pg_\w+)(?::[^\s:]*)*: (?:detail: )?(?:Command was|The command was|Query was|Statement was|query was)\b/i;
const hint = /^HINT: {2}/;
/** libpq's explanations, which go over several lines. */
const explanation = /^(?:connection to server |server closed the connection|SSL |\t(?:Is the server running|This probably means|before or while))/;
/** The text of a message with such a context was composed by the database's own code, out of anything. */
const ownCode = /\bRAISE\b|PL\/(?:Perl|Python|Tcl|v8|Java|R)\b/i;

interface Message {
  readonly lines: string[];
  raised: boolean;
}

/**
 * Keeps the first line of each message, its hint and libpq's explanations; drops everything else that comes after a
 * first message. Lines before it are another program's (docker's), and stay.
 * @param cut - the beginning of `text` is missing: what comes before the first message may be the rest of a row
 */
export function withoutRowValues(text: string, cut = false): string {
  const messages: Message[] = [];
  const before: string[] = [];
  let programs = false;
  let dropping = cut;
  for (const line of text.split("\n")) {
    const current = messages.at(-1);
    if (commandOf.test(line) || labelled.test(line)) {
      dropping = true;
      if (current !== undefined && line.startsWith("CONTEXT") && ownCode.test(line)) current.raised = true;
    } else if (hint.test(line)) {
      dropping = false;
      current?.lines.push(line);
    } else if (programMessage.test(line) || (!programs && bareMessage.test(line))) {
      // Where programs name themselves, a bare severity can only stand inside of a row.
      programs ||= programMessage.test(line);
      dropping = false;
      messages.push({ lines: [line], raised: false });
    } else if (!dropping && (explanation.test(line) || current === undefined)) {
      (current?.lines ?? before).push(line);
    } else if (current !== undefined && ownCode.test(line)) {
      // The context of nested calls goes over several lines.
      current.raised = true;
    }
  }
  return [...before, ...messages.flatMap(shown)].join("\n");
}

function shown({ lines, raised }: Message): string[] {
  if (!raised) return lines.map(withoutQuotedValues);
  return lines.slice(0, 1).map((line) => line.replace(/(\p{Lu}+ ?: {2}).*/u, `$1${mask} (raised by the database's own code, whose words may quote rows)`));
}

const names = new Set(
  ("relation table column role database schema function procedure routine aggregate type domain extension constraint index sequence user language encoding parameter server tablespace view trigger " +
    "policy operator collation host name file library socket service at option directory publication subscription rule statistics wrapper partition object locale program group class family cursor savepoint").split(" "),
);
const quoted = /(\S*?)(\s*)("[^"]*(?:"|$)|»[^«]*(?:«|$)|«[^»]*(?:»|$)|„[^“”]*(?:[“”]|$)|“[^”]*(?:”|$)|「[^」]*(?:」|$))/gu;

/**
 * One line of a message: the names in it stay, quoted values do not.
 * @example `invalid input syntax for type integer: "***"`, `column "id" of relation "people"`
 */
export function withoutQuotedValues(line: string): string {
  // A value at the end may hold quotes itself.
  const [, head, end] = /^(.*?[^\s:] ?:|.*? near) ?(["»«„“「].*|0x[0-9a-f]{2}\b.*)$/u.exec(line) ?? [];
  if (head !== undefined && end !== undefined && !/\p{Lu}+ ?:$|\berror:$/u.test(head)) return `${maskQuoted(head)} "${mask}"`;
  return maskQuoted(line);
}

function maskQuoted(text: string): string {
  return text.replace(quoted, (whole, before: string, space: string) => (space !== "" && names.has(before) ? whole : `${before}${space}"${mask}"`));
}
