/**
 * Secrets never reach an output. Values that are known to be secret are registered when they are read; shapes that
 * are always secret (age identities, passwords in URLs, private keys) are masked without being registered.
 */

export const mask = "***";
/** Shorter values would mask ordinary words; a password of three letters is not kept secret by hiding it. */
const shortestSecret = 4;
/** Longest first, so that a secret that another one begins with leaves nothing of the longer behind. */
let registered: readonly string[] = [];

const secretNames = "(?:pg|ssl)?password|passwd|pwd|secret|aws_secret_access_key|aws_session_token|secret_?access_?key|session_?token|x-amz-signature|x-amz-security-token";

const shapes: readonly [RegExp, string][] = [
  [/AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]+/gi, `AGE-SECRET-KEY-${mask}`],
  // Also where the end was cut off.
  [/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|$)/g, mask],
  // Up to the last @, since people do not encode the one in their password; a port and a path are no password.
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@?#"]*):(?!\d{1,5}[/?#])[^\s"<>`]+@/gi, `$1:${mask}@`],
  [new RegExp(`((?:^|[?&\\s;,({])(?:${secretNames})\\s*=\\s*)(?:'(?:[^'\\\\]|\\\\.|'')*'|"[^"\\n]*"|[^&\\s;]+)`, "gi"), `$1${mask}`],
  [new RegExp(`("(?:${secretNames})"\\s*:\\s*)"(?:[^"\\\\]|\\\\.)*"`, "gi"), `$1"${mask}"`],
  [/(\bPASSWORD\s+)E?'(?:[^']|'')*'/gi, `$1'${mask}'`],
  [/SCRAM-SHA-256\$\d+:[^\s'"]+/g, `SCRAM-SHA-256$$${mask}`],
  [/(\bBearer\s+)[\w.~+/-]{8,}=*/gi, `$1${mask}`],
];

/** Remembers a secret so that {@link redact} masks it, also as URLs, JSON and connection strings write it. */
export function registerSecret(secret: string | undefined): void {
  if (secret === undefined || secret.length < shortestSecret) return;
  const encoded = percentEncoded(secret);
  const forms = [
    secret,
    encoded,
    encoded.replaceAll(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase()),
    encoded.replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
    JSON.stringify(secret).slice(1, -1),
    secret.replaceAll("\\", "\\\\").replaceAll("'", "\\'"),
    secret.replaceAll("'", "''"),
  ];
  registered = [...new Set([...registered, ...forms])].sort((a, b) => b.length - a.length);
}

/** A lone half of a character cannot be encoded: then there is no such form to hide. */
function percentEncoded(secret: string): string {
  try {
    return encodeURIComponent(secret);
  } catch {
    return secret;
  }
}

/** `text` with every registered secret and everything shaped like one replaced by `***`. */
export function redact(text: string): string {
  let result = text;
  for (const secret of registered) result = result.replaceAll(secret, mask);
  for (const [shape, replacement] of shapes) result = result.replace(shape, replacement);
  return result;
}
