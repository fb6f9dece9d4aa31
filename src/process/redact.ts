/**
 * Secrets never reach an output. Values that are known to be secret are registered when they are read; shapes that
 * are always secret (age identities, passwords in URLs, private keys) are masked without being registered.
 */

const mask = "***";
/** Shorter values would mask ordinary words; a password of three letters is not kept secret by hiding it. */
const shortestSecret = 4;
const registered = new Set<string>();

const shapes: readonly [RegExp, string][] = [
  [/AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]+/gi, `AGE-SECRET-KEY-${mask}`],
  [/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?-----END \1-----/g, mask],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@?#]*):[^\s@/]+@/gi, `$1:${mask}@`],
  [/((?:^|[?&\s;])(?:password|sslpassword|passwd|secret)=)[^&\s;]+/gi, `$1${mask}`],
];

/** Remembers a secret so that {@link redact} masks it, also in its percent-encoded form. */
export function registerSecret(secret: string | undefined): void {
  if (secret === undefined || secret.length < shortestSecret) return;
  registered.add(secret);
  registered.add(encodeURIComponent(secret));
}

/** `text` with every registered secret and everything shaped like one replaced by `***`. */
export function redact(text: string): string {
  let result = text;
  for (const [shape, replacement] of shapes) result = result.replace(shape, replacement);
  for (const secret of registered) result = result.replaceAll(secret, mask);
  return result;
}

/** Lines in which PostgreSQL and its tools quote rows: whatever follows the primary message. */
const rowLines = /^(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+|Command was|COPY \S+, line)\b.*/i;
/** Primary messages that quote the value that they refuse. */
const quotedValue = /((?:invalid (?:input|byte)|malformed|out of range|value too long|cannot cast|could not convert)[^"\n]*?)"[^"\n]*"/gi;

/**
 * The messages of a PostgreSQL tool without the row values that it quotes: patients' data must not reach a log.
 * Keeps the primary messages; drops DETAIL, CONTEXT and the statement with all lines that belong to them.
 */
export function withoutRowValues(text: string): string {
  const kept: string[] = [];
  let dropping = false;
  for (const line of text.split("\n")) {
    if (/^(?:psql|pg_\w+)(?:\S*): |^(?:ERROR|FATAL|PANIC|WARNING|NOTICE|HINT):/.test(line)) dropping = false;
    else if (rowLines.test(line)) dropping = true;
    if (!dropping) kept.push(line.replace(quotedValue, `$1"${mask}"`));
  }
  return kept.join("\n");
}
