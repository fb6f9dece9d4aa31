import fc from "fast-check";
import { expect, test } from "vitest";

import { canonicalJson, keyedSha256 } from "../../../../src/rollback/platform/kubernetes/json.ts";
import { withoutSecrets } from "../../../../src/rollback/platform/kubernetes/secrets.ts";

const planted = "hunter2-Zebra";
const hash = `hmac-sha256:${keyedSha256("uid", planted)}`;
const variable = (name: string, value: string) => ({ containers: [{ env: [{ name, value }] }] });

test.each(["SMTP_PASSWORD", "PGPASSWORD", "DBPASS", "DB_PASS", "API_KEY", "ENCRYPTIONKEY", "JWT_SECRET", "GITHUB_TOKEN", "DATABASE_URL", "SESSION_COOKIE", "AWS_SECRET_ACCESS_KEY", "connectionString", "STRIPE_PRIVATE", "Authorization", "SENTRY_DSN", "db.passphrase"])(
  "the value of %s is hashed",
  (name) => {
    expect(withoutSecrets(variable(name, planted), "uid")).toEqual(variable(name, hash));
  },
);

test.each([["LOG_LEVEL", "debug"], ["AUTHOR", "somebody"], ["PORT", "3000"], ["NODE_ENV", "production"], ["URL", "https://ehr.example/api"], ["PASSWORD", ""]])("the value of %s=%s is kept", (name, value) => {
  expect(withoutSecrets(variable(name, value), "uid")).toEqual(variable(name, value));
});

test.each([
  ["a URL with a password", `postgres://ehr:${planted}@db/ehr`],
  ["a key that a generator made", `sk_live_${planted.replace("-", "9")}0123456789`],
  ["a private key", `-----BEGIN PRIVATE KEY-----\n${planted}\n-----END PRIVATE KEY-----`],
])("a value is hashed for being %s, whatever its variable is called", (_, value) => {
  expect(JSON.stringify(withoutSecrets(variable("SETTING", value), "uid"))).not.toContain(planted.slice(0, 7));
});

test.each([
  ["an argument's value", { args: ["--port", "3000", "--api-token", planted] }, { args: ["--port", "3000", "--api-token", hash] }],
  ["an annotation", { metadata: { annotations: { "checksum/secret": planted, team: "ehr" } } }, { metadata: { annotations: { "checksum/secret": hash, team: "ehr" } } }],
  ["a header", { httpHeaders: [{ name: "Authorization", value: planted }] }, { httpHeaders: [{ name: "Authorization", value: hash }] }],
])("%s is hashed", (_, holder, kept) => {
  expect(withoutSecrets(holder, "uid")).toEqual(kept);
});

test.each([`--db-password=${planted}`, `exec env SMTP_PASSWORD="${planted}" node server.js`, `curl -H 'X: y' https://u:${planted}@host/`])("a command with %s is hashed whole", (command) => {
  expect(JSON.stringify(withoutSecrets({ command: ["sh", "-c", command] }, "uid"))).not.toContain(planted);
});

test("names of Secrets and of their keys are no secrets", () => {
  const references = { env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "database-password", key: "token" } } }], volumes: [{ secret: { secretName: "tls-private-key" } }] };
  expect(withoutSecrets(references, "uid")).toEqual(references);
});

test("whatever the value of a secret variable is, it is not kept", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 8 }), (value) => {
      const kept = JSON.stringify(withoutSecrets(variable("DB_PASSWORD", value), "uid"));
      return !kept.includes(JSON.stringify(value).slice(1, -1));
    }),
  );
});

test("the hash of a short secret cannot be looked up without the uid that keys it", () => {
  expect(keyedSha256("uid-1", "1234")).not.toBe(keyedSha256("uid-2", "1234"));
});

test("the canonical text does not depend on the order of keys, and tells different values apart", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).toReversed());
      return canonicalJson(turned) === canonicalJson(value);
    }),
  );
  expect(canonicalJson({ b: [1, { d: null, c: "x" }], a: undefined })).toBe('{"b":[1,{"c":"x","d":null}]}');
  expect(canonicalJson({ a: "1" })).not.toBe(canonicalJson({ a: 1 }));
});
