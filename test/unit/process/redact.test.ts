import fc from "fast-check";
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";

import { generateIdentity } from "../../../src/pipeline/age-keys.ts";
import { redact, registerSecret } from "../../../src/process/redact.ts";

test.each([
  ["a URL's password", "postgresql://ehr:hunter2@db:5432/ehr", "postgresql://ehr:***@db:5432/ehr"],
  ["a password with a slash and an @", "cannot reach postgres://ehr:pa/s@s@db/ehr today", "cannot reach postgres://ehr:***@db/ehr today"],
  ["a password without a user", "redis://:hunter2@cache/0", "redis://:***@cache/0"],
  ["two URLs", "a://u:p1@h b://u:p2@h", "a://u:***@h b://u:***@h"],
  ["a URL inside JSON", '{"url":"postgres://u:hunter2@h/d","mail":"a@b"}', '{"url":"postgres://u:***@h/d","mail":"a@b"}'],
  ["a connection string", "host=db password=hunter2 dbname=ehr", "host=db password=*** dbname=ehr"],
  ["a quoted one", "host=db password='hunter \\' 2' dbname=ehr", "host=db password=*** dbname=ehr"],
  ["one with spaces around the sign", "password = hunter2", "password = ***"],
  ["a URL's parameter", "postgres://h/d?sslmode=require&password=hunter2&x=1", "postgres://h/d?sslmode=require&password=***&x=1"],
  ["a variable", "PGPASSWORD=hunter2 AWS_SECRET_ACCESS_KEY=abc/def+1", "PGPASSWORD=*** AWS_SECRET_ACCESS_KEY=***"],
  ["JSON", '{"user":"ehr","password":"hun\\"ter2"}', '{"user":"ehr","password":"***"}'],
  ["SQL", "ALTER ROLE ehr PASSWORD 'hunter''2' LOGIN", "ALTER ROLE ehr PASSWORD '***' LOGIN"],
  ["a verifier", "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5", "SCRAM-SHA-256$***"],
  ["a bearer token", "Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer ***"],
  ["a private key", "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\nafter", "***\nafter"],
  ["a private key cut short", "x -----BEGIN RSA PRIVATE KEY-----\nMIIE", "x ***"],
  ["a private key inside JSON", '"-----BEGIN EC PRIVATE KEY-----\\nMHc\\n-----END EC PRIVATE KEY-----\\n"', '"***\\n"'],
])("%s is masked", (_, text, shown) => {
  expect(redact(text)).toBe(shown);
});

test.each([
  "postgresql://ehr@db:5432/ehr",
  "http://127.0.0.1:9000/bucket/key@2",
  "https://s3.example.org:443?user=a@b",
  "the password of user ehr was refused",
  "no password supplied",
  "ERROR:  relation \"a:b@c\" does not exist",
  "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
  "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
])("%j holds no secret and stays", (text) => {
  expect(redact(text)).toBe(text);
});

test("identities and keys as they are generated leave nothing behind", async () => {
  const { identity } = await generateIdentity();
  expect(redact(`${identity}\n${identity.toLowerCase()}`)).toBe("AGE-SECRET-KEY-***\nAGE-SECRET-KEY-***");
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  expect(redact(pem)).toBe("***\n");
});

test("a registered secret is masked however it is written: plain, percent-encoded, in JSON, in SQL, in a connection string", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 8, maxLength: 20, unit: "grapheme" }).map((text) => `§${text}§`), (secret) => {
      registerSecret(secret);
      const forms = [secret, encodeURIComponent(secret), encodeURIComponent(secret).replaceAll(/%../g, (byte) => byte.toLowerCase()), JSON.stringify(secret), `'${secret.replaceAll("'", "''")}'`, secret.replaceAll("\\", "\\\\").replaceAll("'", "\\'")];
      for (const form of forms) expect(redact(`before ${form} after`)).toMatch(/^before (?:\*\*\*|"\*\*\*"|'\*\*\*') after$/);
    }),
    { numRuns: 50 },
  );
});

test("a secret that begins with another one leaves no rest", () => {
  registerSecret("kept-secret");
  registerSecret("kept-secret-tail");
  expect(redact("kept-secret-tail kept-secret")).toBe("*** ***");
});

test("an empty or very short secret masks nothing, and half a character is no reason to fail", () => {
  for (const short of [undefined, "", "a", "abc"]) registerSecret(short);
  expect(redact("abc a")).toBe("abc a");
  registerSecret("broken\ud800half");
  expect(redact("broken\ud800half")).toBe("***");
});
