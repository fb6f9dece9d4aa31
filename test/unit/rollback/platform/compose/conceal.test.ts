/** Nothing that may be a secret is kept, and what was hidden is found again. */
import fc from "fast-check";
import { expect, test } from "vitest";

import { canonicalJson, without } from "../../../../../src/rollback/platform/compose/canonical.ts";
import { conceal, isConcealed, reveal, slowHash, surelyNoSecret } from "../../../../../src/rollback/platform/compose/conceal.ts";

const hash = slowHash("unit");

test.each([
  ["LOG_LEVEL", "info"],
  ["NODE_ENV", "production"],
  ["PORT", "8080"],
  ["API_URL", "https://api.example.com:8443/v1"],
  ["FEATURE_LIST", "a,b-c,d.e"],
  ["SESSION_COOKIES", "true"],
  ["AUTH", ""],
])("%s=%s stays in clear", (name, value) => {
  expect(surelyNoSecret(name, value)).toBe(true);
});

test.each([
  ["DB_PASSWORD", "x"],
  ["db.passwd", "letmein"],
  ["PGPASSFILE", "/run/pass"],
  ["STRIPE_KEY", "short"],
  ["SENTRY_DSN", "https://sentry.example"],
  ["JWT", "abc"],
  ["PIN", "1234"],
  ["HASH_SALT", "a"],
  ["DATABASE_URL", "postgresql://app:pw@db/ehr"],
  ["CACHE", "redis://:pw@cache:6379"],
  ["HOOK", "https://hooks.example/services/T0/B0/abcdEFGH1234ijkl5678"],
  ["STRIPE", "sk_live_51Habcdefgh1234567890"],
  ["CLIENT", "0f0a4c9e-6b1f-4a8e-9a54-0a2f5f3c1d2e"],
  ["QUERY", "https://example.com/?x=1"],
  ["TEXT", "two\nlines"],
  ["LONG", "a ".repeat(40)],
  ["MARKED", "scrypt:00"],
])("%s=%s is hidden", (name, value) => {
  expect(surelyNoSecret(name, value)).toBe(name === "MARKED");
});

const secret = "hunter2-hunter2";
const service = {
  image: "app:1",
  build: { context: ".", args: { NPM_TOKEN: secret } },
  command: ["serve", "--admin-password", secret, `--token=${secret}`, `REDIS_PASSWORD=${secret}`, "--port", "8080", `redis://:${secret}@cache`],
  entrypoint: ["sh", "-c", `export API_KEY=${secret}; exec app`],
  environment: { LOG_LEVEL: "info", API_KEY: secret, EMPTY: null, DATABASE_URL: `postgresql://a:${secret}@db/x` },
  labels: { "traefik.enable": "true", "traefik.http.middlewares.auth.basicauth.users": `admin:${secret}` },
  healthcheck: { test: ["CMD", "curl", "-u", secret, "http://127.0.0.1/health"], interval: "2s" },
  logging: { driver: "gelf", options: { "splunk-token": secret } },
  volumes: [{ type: "bind", source: "/srv/secrets/key.pem", target: "/key.pem" }],
  "x-notes": { owner: "billing", password: secret },
};

test("a secret is kept in no corner of a service, and everything else is", () => {
  const concealed = conceal(service, hash);
  expect(JSON.stringify(concealed)).not.toContain(secret);
  expect(concealed).not.toHaveProperty("build");
  expect(concealed).toMatchObject({
    image: "app:1",
    command: ["serve", "--admin-password", hash(secret), hash(`--token=${secret}`), hash(`REDIS_PASSWORD=${secret}`), "--port", "8080", expect.stringMatching(/^scrypt:/) as string],
    environment: { LOG_LEVEL: "info", API_KEY: hash(secret), EMPTY: null },
    labels: { "traefik.enable": "true" },
    healthcheck: { test: ["CMD", "curl", "-u", hash(secret), "http://127.0.0.1/health"], interval: "2s" },
    volumes: service.volumes,
    "x-notes": { owner: "billing", password: hash(secret) },
  });
});

test("what was hidden comes back from values that fit, and only from those", () => {
  const plain = without(service, "build");
  const concealed = conceal(service, hash);
  const values = [`export API_KEY=${secret}; exec app`, secret, `postgresql://a:${secret}@db/x`, `admin:${secret}`, `--token=${secret}`, `REDIS_PASSWORD=${secret}`, `redis://:${secret}@cache`];
  expect(reveal(concealed, () => values, hash)).toEqual({ service: plain, missing: [] });
  const { missing, service: half } = reveal(concealed, () => values.filter((value) => value !== secret), hash);
  expect(missing).toEqual(["command.2", "environment.API_KEY", "healthcheck.test.3", "logging.options.splunk-token", "x-notes.password"]);
  expect(JSON.stringify(half)).not.toContain(`"${secret}"`);
  // A neighbour's hash is no value.
  expect(reveal({ environment: { A: hash("one") } }, () => ["two", hash("one")], hash).missing).toEqual(["environment.A"]);
});

test("a value that looks like a hash of ours is not taken for one", () => {
  const fake = `scrypt:${"0".repeat(64)}`;
  const concealed = conceal({ command: ["a", fake], environment: { A: fake }, hostname: fake }, hash);
  expect(concealed).toEqual({ command: ["a", hash(fake)], environment: { A: hash(fake) }, hostname: hash(fake) });
});

test("a hash is the project's own, and the same each time", () => {
  expect(slowHash("unit")("value")).toBe(hash("value"));
  expect(slowHash("other")("value")).not.toBe(hash("value"));
  expect(isConcealed(hash("value"))).toBe(true);
});

test("any service comes back as it was", () => {
  const cheap = (value: string): string => `scrypt:${Buffer.from(value).toString("hex").padEnd(64, "0").slice(-64)}`;
  const short = fc.string({ maxLength: 30 }).filter((text) => !text.endsWith("\0"));
  const shape = fc.record({ environment: fc.dictionary(short, short), command: fc.array(short), labels: fc.dictionary(short, short) }, { noNullPrototype: true });
  fc.assert(fc.property(shape, (given) => {
    const clean = JSON.parse(JSON.stringify(given)) as typeof given;
    const values = [...Object.values(clean.environment), ...clean.command, ...Object.values(clean.labels)];
    const back = reveal(conceal(clean, cheap), () => values, cheap);
    expect(back.missing).toEqual([]);
    expect(back.service).toEqual(clean);
  }));
});

test("the canonical text does not depend on the order of names, but on that of lists", () => {
  expect(canonicalJson({ b: [1, { d: null, c: "x" }], a: undefined })).toBe('{"b":[1,{"c":"x","d":null}]}');
  expect(canonicalJson({ x: 1, y: 2 })).toBe(canonicalJson({ y: 2, x: 1 }));
  expect(canonicalJson(["x", "y"])).not.toBe(canonicalJson(["y", "x"]));
});
