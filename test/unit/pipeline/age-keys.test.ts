import { generateHybridIdentity, identityToRecipient } from "age-encryption";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";

import { generateIdentity, parseIdentityFile, parseRecipients, recipientOf } from "../../../src/pipeline/age-keys.ts";

const thrown = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("expected a failure");
};

describe("parseRecipients", () => {
  it("trims, keeps the order and removes duplicates", async () => {
    const one = (await generateIdentity()).recipient;
    const two = (await generateIdentity()).recipient;
    expect(parseRecipients([` ${two}\n`, one, two, ""])).toEqual([two, one]);
  });

  it("takes post-quantum recipients", async () => {
    const recipient = await identityToRecipient(await generateHybridIdentity());
    expect(recipient).toMatch(/^age1pq1/);
    expect(parseRecipients([recipient])).toEqual([recipient]);
  });

  it.each([[[]], [[""]], [["  ", "\n"]]])("refuses %j: there is nobody to encrypt to", (texts) => {
    expect(() => parseRecipients(texts)).toThrow(expect.objectContaining({ code: "configuration", message: "no recipient: a backup is encrypted to at least one age recipient" }) as Error);
  });

  it("refuses a recipient with any one character mistyped, and names it", async () => {
    const { recipient } = await generateIdentity();
    for (let at = 0; at < recipient.length; at++) {
      const mistyped = `${recipient.slice(0, at)}${recipient[at] === "q" ? "p" : "q"}${recipient.slice(at + 1)}`;
      const error = thrown(() => parseRecipients([mistyped]));
      expect(error).toMatchObject({ code: "configuration" });
      expect((error as Error).message).toBe(`recipient "${mistyped}" is not a valid age recipient`);
    }
  });

  it("refuses a post-quantum recipient with a mistyped character, and shows its ends only", async () => {
    const recipient = await identityToRecipient(await generateHybridIdentity());
    const mistyped = `${recipient.slice(0, 900)}${recipient[900] === "q" ? "p" : "q"}${recipient.slice(901)}`;
    const error = thrown(() => parseRecipients([mistyped]));
    expect((error as Error).message).toBe(`recipient "${recipient.slice(0, 40)}…${recipient.slice(-20)}" is not a valid age recipient`);
  });

  it.each(["age1", "AGE1QQQ", "age1 qqq", "hello", "age1pq1qqqq"])("refuses %j", (text) => {
    expect(() => parseRecipients([text])).toThrow(/is not a valid age recipient/);
  });

  it("says that a plugin's recipient is one", () => {
    expect(() => parseRecipients(["age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t"])).toThrow(/belongs to an age plugin/);
  });

  it("says that an SSH key is one", () => {
    expect(() => parseRecipients(["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@host"])).toThrow(/"ssh-ed25519 .*" is an SSH key/);
  });

  it.each(["upper", "lower"])("never shows a secret key given by mistake (%s case)", async (form) => {
    const { identity } = await generateIdentity();
    const error = thrown(() => parseRecipients([form === "upper" ? identity : identity.toLowerCase()]));
    expect((error as Error).message).toBe("a recipient is an age secret key, but must be the public half (age1…)");
    expect(inspect(error, { depth: 9 }).toUpperCase()).not.toContain(identity.slice(17, 30));
  });

  it("never shows a private key in PEM given by mistake", () => {
    const error = thrown(() => parseRecipients(["-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----"]));
    expect(error).toMatchObject({ code: "configuration" });
    expect(inspect(error, { depth: 9 })).not.toContain("c2VjcmV0");
  });
});

describe("parseIdentityFile", () => {
  it("reads what age-keygen writes: comments, blank lines, several identities once each", async () => {
    const one = await generateIdentity();
    const two = await generateHybridIdentity();
    const text = `# created: 2026-11-21T02:00:00Z\r\n# public key: ${one.recipient}\r\n${one.identity}\r\n\r\n  ${two}\n${one.identity}\n`;
    expect(parseIdentityFile(text, "me.txt")).toEqual([one.identity, two]);
  });

  it.each(["", "# only a comment\n\n"])("refuses %j: no identity", (text) => {
    expect(() => parseIdentityFile(text, "me.txt")).toThrow(expect.objectContaining({ code: "configuration", message: "there is no identity in me.txt" }) as Error);
  });

  it("names the line of a mistyped identity, and shows nothing of it", async () => {
    const { identity } = await generateIdentity();
    const mistyped = `${identity.slice(0, 40)}${identity[40] === "Q" ? "P" : "Q"}${identity.slice(41)}`;
    const error = thrown(() => parseIdentityFile(`# key\n${mistyped}\n`, "me.txt"));
    expect((error as Error).message).toBe("line 2 of me.txt is not a valid age identity");
    expect(inspect(error, { depth: 9 })).not.toContain(identity.slice(17, 30));
  });

  it("says that a recipient is no identity", async () => {
    const { recipient } = await generateIdentity();
    expect(() => parseIdentityFile(recipient, "me.txt")).toThrow("line 1 of me.txt is a recipient, but must be an identity (AGE-SECRET-KEY-…)");
  });

  it("says that an SSH private key is no identity", () => {
    expect(() => parseIdentityFile("-----BEGIN OPENSSH PRIVATE KEY-----\nabc", "id_ed25519")).toThrow(/line 1 of id_ed25519 begins a private key in PEM/);
  });

  it.each(["age-encryption.org/v1\n-> scrypt x 18\n", "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n"])("says that an encrypted identity file is one", (text) => {
    expect(() => parseIdentityFile(text, "me.age")).toThrow("the identity file me.age is itself encrypted (with a passphrase), but must be readable");
  });
});

describe("recipientOf", () => {
  it("gives the recipient of an identity", async () => {
    const { identity, recipient } = await generateIdentity();
    await expect(recipientOf(identity)).resolves.toBe(recipient);
  });

  it("shows nothing of what is no identity", async () => {
    const error: unknown = await recipientOf("AGE-SECRET-KEY-1HUSH").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "configuration", message: "the identity is not a valid age identity" });
    expect(inspect(error, { depth: 9 })).not.toContain("HUSH");
  });
});
