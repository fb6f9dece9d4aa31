/**
 * age keys as texts: recipients (public, may be shown) and identities (secret, never in a message, nor in a cause:
 * the decoder's own errors quote what they were given).
 */
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";

import { HoldfastError } from "../errors.ts";

/** A fresh X25519 key pair. */
export async function generateIdentity(): Promise<{ readonly identity: string; readonly recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/**
 * The recipient of an identity.
 * @throws HoldfastError `configuration` if it is not an age identity; the message does not show it
 */
export async function recipientOf(identity: string): Promise<string> {
  try {
    return await identityToRecipient(identity);
  } catch {
    throw notAnIdentity("the identity");
  }
}

/**
 * Recipients as an operator typed them, trimmed, decoded (checksum included) and without duplicates, in their order.
 * @throws HoldfastError `configuration` if one is not an age recipient, or if there is none
 */
export function parseRecipients(texts: readonly string[]): string[] {
  const recipients = new Set(texts.map((text) => text.trim()).filter((text) => text !== ""));
  if (recipients.size === 0) {
    throw new HoldfastError("configuration", "no recipient: a backup is encrypted to at least one age recipient", {
      hints: ["Set HOLDFAST_RECIPIENTS to one or more age recipients, separated by commas.", "Make a key pair with `holdfast keys generate`."],
    });
  }
  for (const recipient of recipients) checkRecipient(recipient);
  return [...recipients];
}

const recipientLooks = "A recipient starts with age1 (or age1pq1), is all lower case, and stands after `# public key:` in its identity file.";

function checkRecipient(text: string): void {
  if (/^AGE-SECRET-KEY-/i.test(text)) {
    throw new HoldfastError("configuration", "a recipient is an age secret key, but must be the public half (age1…)", {
      hints: ["Print the public half with `age-keygen -y IDENTITY_FILE` and use that.", "The secret was written where recipients belong: consider it exposed, and replace it if others can read that place."],
    });
  }
  if (text.includes("PRIVATE KEY")) {
    throw new HoldfastError("configuration", "a recipient is a private key in PEM, but must be an age recipient (age1…)", { hints: [recipientLooks] });
  }
  if (/^(?:ssh-|ecdsa-|sk-)/.test(text)) {
    throw new HoldfastError("configuration", `recipient ${shortened(text)} is an SSH key, but must be an age recipient (age1…)`, {
      hints: ["SSH keys are not supported. Make an age key pair with `holdfast keys generate`."],
    });
  }
  if (/^age1(?!pq1)[a-z-]{2,20}1/.test(text)) {
    throw new HoldfastError("configuration", `recipient ${shortened(text)} belongs to an age plugin, but must be a native age recipient (age1… or age1pq1…)`, { hints: [recipientLooks] });
  }
  if (!/^age1(?:pq1)?[02-9ac-hj-np-z]+$/.test(text) || !decodes(text)) {
    throw new HoldfastError("configuration", `recipient ${shortened(text)} is not a valid age recipient`, { hints: [recipientLooks, "Copy it again: a mistyped or missing character breaks its checksum."] });
  }
}

function decodes(recipient: string): boolean {
  try {
    new Encrypter().addRecipient(recipient);
    return true;
  } catch {
    return false;
  }
}

/** Post-quantum recipients have 1,959 characters; a message shows the two ends of such a text. */
function shortened(text: string): string {
  return JSON.stringify(text.length <= 100 ? text : `${text.slice(0, 40)}…${text.slice(-20)}`);
}

/**
 * The identities of an age identity file; comments and blank lines are allowed.
 * @param source - where the text came from, for the messages, which never show the text
 * @throws HoldfastError `configuration` if a line is no identity, or if there is none
 */
export function parseIdentityFile(text: string, source: string): string[] {
  if (/^\s*(?:age-encryption\.org\/|-----BEGIN AGE ENCRYPTED FILE-----)/.test(text)) {
    throw new HoldfastError("configuration", `the identity file ${source} is itself encrypted (with a passphrase), but must be readable`, {
      hints: [`Decrypt it into memory or a protected place first: \`age -d ${source}\`.`],
    });
  }
  const identities = new Set<string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const identity = line.trim();
    if (identity === "" || identity.startsWith("#")) continue;
    const place = `line ${index + 1} of ${source}`;
    if (identity.startsWith("age1")) {
      throw new HoldfastError("configuration", `${place} is a recipient, but must be an identity (AGE-SECRET-KEY-…)`, { hints: ["A recipient is the public half and opens nothing; use the file that `holdfast keys generate` or `age-keygen` wrote."] });
    }
    if (identity.includes("PRIVATE KEY")) {
      throw new HoldfastError("configuration", `${place} begins a private key in PEM, but must be an age identity (AGE-SECRET-KEY-…)`, { hints: ["SSH keys are not supported. Use the file that `holdfast keys generate` or `age-keygen` wrote."] });
    }
    if (!opens(identity)) throw notAnIdentity(place);
    identities.add(identity);
  }
  if (identities.size === 0) {
    throw new HoldfastError("configuration", `there is no identity in ${source}`, { hints: ["An identity file has a line that starts with AGE-SECRET-KEY-."] });
  }
  return [...identities];
}

function opens(identity: string): boolean {
  try {
    new Decrypter().addIdentity(identity);
    return true;
  } catch {
    return false;
  }
}

function notAnIdentity(what: string): HoldfastError {
  return new HoldfastError("configuration", `${what} is not a valid age identity`, {
    hints: ["An identity starts with AGE-SECRET-KEY-1 (or AGE-SECRET-KEY-PQ-1) and is all upper case; a mistyped or missing character breaks its checksum."],
  });
}
