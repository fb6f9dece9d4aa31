/** From when to when a signing key counts: comment lines right before its PEM block in the list of trusted signers. */
import { basename } from "node:path";

import { HoldfastError } from "../errors.ts";

/** `from` counts, `until` does not any more. Without either the key counts at all times. */
export interface SignerWindow {
  readonly validFrom?: Date;
  readonly validUntil?: Date;
}

const example = "Write `# valid-from: 2026-11-21T00:00:00Z` and `# valid-until: 2027-11-21T00:00:00Z` on lines of their own right before -----BEGIN PUBLIC KEY-----.";

/**
 * Reads the comment lines before one key; whatever else stands there is for people.
 * @throws HoldfastError `configuration` if a date is malformed, given twice, or the window is empty
 */
export function parseWindow(preamble: string, source: string): SignerWindow {
  const found: { validFrom?: Date; validUntil?: Date } = {};
  for (const [name, value] of datesIn(preamble)) {
    const field = { "valid-from": "validFrom", "valid-until": "validUntil" }[name.toLowerCase()] as keyof typeof found | undefined;
    if (field === undefined) throw refused(`${source} gives a signer ${JSON.stringify(name)}, but knows valid-from and valid-until only`);
    if (found[field] !== undefined) throw refused(`${source} gives one signer two dates ${name}`);
    found[field] = instantOf(name, value, source);
  }
  const { validFrom, validUntil } = found;
  if (validFrom && validUntil && validFrom >= validUntil) {
    throw refused(`${source} gives a signer valid-from ${validFrom.toISOString()}, which is not before its valid-until ${validUntil.toISOString()}`);
  }
  return found;
}

/** @throws HoldfastError `configuration` if dates stand where no key follows */
export function refuseOrphans(rest: string, source: string): void {
  const [first] = datesIn(rest);
  if (first) throw refused(`${source} gives ${first[0]} ${first[1]}, but no public key follows it`);
}

function datesIn(text: string): (readonly [name: string, value: string])[] {
  return [...text.matchAll(/^[ \t]*#[ \t]*(valid[\w-]*)[ \t]*[:=][ \t]*(.*?)[ \t]*\r?$/gim)].map(([, name = "", value = ""]) => [name, value]);
}

/** With its time zone: what is off by some hours here refuses a night's backup. */
function instantOf(name: string, value: string, source: string): Date {
  const [, year = "", month = "", day = ""] = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/.exec(value) ?? [];
  const date = new Date(value);
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (year === "" || Number.isNaN(date.getTime()) || Number(day) > lastDay) throw refused(`${source} gives a signer ${name} ${JSON.stringify(value.slice(0, 60))}, which is not an instant with a time zone`);
  return date;
}

function refused(message: string): HoldfastError {
  return new HoldfastError("configuration", message, { hints: [example] });
}

export function isValidAt({ validFrom, validUntil }: SignerWindow, at: Date): boolean {
  return (validFrom === undefined || at >= validFrom) && (validUntil === undefined || at < validUntil);
}

/**
 * The rule for everything that is signed: it counts if its key did at the time that stands in what was signed. Whoever
 * reads signed bytes comes by here: {@link readSigned} and {@link openRecord} ask for that time.
 * @param key - of the object, or another place, for the message
 * @param warning - what not to do with it: "Do not restore from it"
 * @throws HoldfastError `integrity` if the key did not count then
 */
export function requireInTime(signer: SignerWindow & { readonly id: string }, at: Date, key: string, warning: string): void {
  if (isValidAt(signer, at)) return;
  const found = Number.isNaN(at.getTime()) ? "no time" : at.toISOString();
  throw new HoldfastError("integrity", `${key} is of ${found} and signed by ${signer.id}, which counted ${describeWindow(signer)} only`, {
    hints: [`${warning}. If that host was late with its new key, correct the dates in HOLDFAST_TRUSTED_SIGNERS; else find out who used the retired one.`],
    details: { part: basename(key), signer: signer.id, expected: describeWindow(signer), found },
  });
}

/** "from … until …", for messages; empty for a key without dates. */
export function describeWindow({ validFrom, validUntil }: SignerWindow): string {
  return [validFrom && `from ${validFrom.toISOString()}`, validUntil && `until ${validUntil.toISOString()}`].filter((text) => text !== undefined).join(" ");
}

export function sameWindow(a: SignerWindow, b: SignerWindow): boolean {
  return a.validFrom?.getTime() === b.validFrom?.getTime() && a.validUntil?.getTime() === b.validUntil?.getTime();
}
