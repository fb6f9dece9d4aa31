/** Passwords inside URLs and keyword strings: found to be registered, masked to be shown. */
import { redact, registerSecret } from "../process/redact.ts";

const keywordPassword = /((?:^|[\s?&])(?:password|sslpassword|secret)\s*=\s*)('(?:\\.|[^'\\])*'|[^\s&']+)/gis;
const schemeAndUser = /^([a-z][a-z0-9+.-]*:\/\/[^:@/?#]*):/i;

/** Start and end of the text between the user's colon and the host's `@`, generous where the URL is malformed. */
function passwordSpan(url: string): readonly [number, number] | undefined {
  const start = schemeAndUser.exec(url)?.[0].length;
  if (start === undefined) return undefined;
  const query = url.indexOf("?", start);
  const inFront = url.slice(0, query === -1 ? undefined : query).lastIndexOf("@");
  const end = inFront >= start ? inFront : url.lastIndexOf("@");
  return end >= start ? [start, end] : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Every reading of the passwords in a URL or a `host=… password=…` string. */
function passwordsOf(url: string): string[] {
  const found: string[] = [];
  const span = passwordSpan(url);
  if (span !== undefined) {
    const text = url.slice(...span);
    // A strict parser ends the password at the first `@`; whichever reading is used, it must not be shown.
    found.push(text, text.split("@", 1)[0] ?? "");
  }
  for (const [, , value = ""] of url.matchAll(keywordPassword)) {
    found.push(value.startsWith("'") ? value.slice(1, -1).replaceAll(/\\(.)/gs, "$1") : value);
  }
  return found.filter((text) => text !== "");
}

export function hasPassword(url: string): boolean {
  return passwordsOf(url).length > 0;
}

/**
 * Registers what is secret in a URL: its passwords, decoded and as written, and the URL itself when it holds one.
 * A password that equals the user's name is left out, since hiding it would hide that word in every message.
 */
export function registerUrl(url: string): void {
  const user = /^[a-z][a-z0-9+.-]*:\/\/([^:@/?#]*)/i.exec(url)?.[1] ?? "";
  const passwords = passwordsOf(url);
  for (const password of passwords) {
    if (decoded(password) === decoded(user)) continue;
    registerSecret(password);
    registerSecret(decoded(password));
  }
  if (passwords.length > 0) registerSecret(url);
}

/** A URL or keyword string as it may be shown. */
export function maskUrl(url: string): string {
  const span = passwordSpan(url);
  const masked = span === undefined ? url : `${url.slice(0, span[0])}***${url.slice(span[1])}`;
  return redact(masked.replaceAll(keywordPassword, "$1***"));
}
