import { mkdir, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";

import { drillDefaults } from "../../../src/config/drill-settings.ts";
import { workspace } from "./workspace.ts";

const whole = `
databases:
  ehr:
    url: postgresql://u@h/ehr
    tools: docker compose exec db
    include: { tables: [a.*], schemas: [a] }
    exclude: { tables: [b.x] }
    excludeTableData: [public.sessions]
    digests: [public.patients]
    rolePasswords: true
    appVersion: "1.10"
    compressionLevel: 3
    canary: public.holdfast_canary
    drill:
      scratch: server
      image: own/postgres:{major}
      storage: tmpfs
      server: service=scratch
      allowSourceServer: true
      ttl: 2h
      rto: 1h
      rpo: 25h
      every: 7d
      assertions:
        - { name: patients, sql: SELECT count(*) FROM patients, expect: { min: 1, max: 10 } }
        - { name: head, sql: SELECT version FROM ledger, expect: { matches: ^2026 }, sensitive: false }
        - { name: none, sql: SELECT 0, expect: { equals: 0 } }
        - { name: some, sql: SELECT 1, expect: { nonEmpty: true } }
      smoke: { command: npm run smoke, http: { url: "http://127.0.0.1:3000/health", bodyMatches: ok }, timeout: 2m }
      plan: CP-7
      requirement: SOC 2
  "2024":
    url: service=old
repository:
  url: s3://bucket/prefix
  region: eu-central-1
  endpoint: http://127.0.0.1:9000
  pathStyle: true
  storageClass: STANDARD_IA
  serverSideEncryption: aws:kms
  kmsKeyId: alias/x
  objectLock: { mode: compliance, days: 30 }
  partSize: 16MiB
  uploadConcurrency: 4
  uploader: sdk
  attempts: 5
  requestTimeout: 30s
  stallTimeout: 5m
  credentials: { accessKeyId: AKIAFILE, secretAccessKey: file-secret }
recipients: [age1a, age1b]
identityFile: keys/identity.txt
signingKeyFile: ~/signing.pem
trustedSigners: signers.pem
pgBin: /opt/pg/bin
operator: nightly
stateDir: state
tempDir: /var/tmp
`;

test("every key of the file arrives, typed, with paths from the file's folder", async () => {
  const { folder, path, load } = await workspace({ "etc/holdfast.yaml": whole, "etc/signers.pem": "-----BEGIN PUBLIC KEY-----\n" });
  const config = await load({}, "etc/holdfast.yaml");
  expect([...config.databases.keys()]).toEqual(["ehr", "2024"]);
  expect(config.databases.get("ehr")).toEqual({
    name: "ehr", url: "postgresql://u@h/ehr", tools: ["docker", "compose", "exec", "-T", "db"], include: { tables: ["a.*"], schemas: ["a"] }, exclude: { tables: ["b.x"], schemas: [] },
    excludeTableData: ["public.sessions"], digests: ["public.patients"], rolePasswords: true, appVersion: "1.10", compressionLevel: 3, canary: { table: "public.holdfast_canary" },
    drill: {
      scratch: "server", image: "own/postgres:{major}", storage: "tmpfs", server: "service=scratch", allowSourceServer: true, ttlMs: 7_200_000, rtoMs: 3_600_000, rpoMs: 90_000_000, everyDays: 7,
      assertions: [
        { name: "patients", sql: "SELECT count(*) FROM patients", expect: { min: 1, max: 10 }, sensitive: true },
        { name: "head", sql: "SELECT version FROM ledger", expect: { matches: "^2026" }, sensitive: false },
        { name: "none", sql: "SELECT 0", expect: { equals: 0 }, sensitive: true },
        { name: "some", sql: "SELECT 1", expect: { nonEmpty: true }, sensitive: true },
      ],
      smoke: { command: ["npm", "run", "smoke"], http: { url: "http://127.0.0.1:3000/health", status: 200, bodyMatches: "ok" }, timeoutMs: 120_000 },
      plan: "CP-7", requirement: "SOC 2",
    },
  });
  expect(config.databases.get("2024")).toEqual({
    name: "2024", url: "service=old", tools: undefined, include: { tables: [], schemas: [] }, exclude: { tables: [], schemas: [] },
    excludeTableData: [], digests: "none", rolePasswords: false, appVersion: undefined, compressionLevel: 1, canary: undefined, drill: drillDefaults,
  });
  expect(config.repository).toEqual({
    url: "s3://bucket/prefix", region: "eu-central-1", endpoint: "http://127.0.0.1:9000", pathStyle: true, storageClass: "STANDARD_IA", serverSideEncryption: "aws:kms", kmsKeyId: "alias/x",
    objectLock: { mode: "COMPLIANCE", days: 30 }, partSize: 16_777_216, uploadConcurrency: 4, uploader: "sdk", attempts: 5, requestTimeout: 30_000, stallTimeout: 300_000,
    credentials: { accessKeyId: "AKIAFILE", secretAccessKey: "file-secret" },
  });
  expect(config).toMatchObject({
    recipients: ["age1a", "age1b"], identityFile: path("etc/keys/identity.txt"), signingKeyFile: `${folder}/signing.pem`, trustedSigners: "-----BEGIN PUBLIC KEY-----\n",
    pgBin: "/opt/pg/bin", operator: "nightly", stateDir: path("etc/state"), tempDir: "/var/tmp", source: path("etc/holdfast.yaml"), warnings: [],
  });
});

test("the environment alone suffices", async () => {
  const { folder, load } = await workspace();
  const config = await load({ DATABASE_URL: "postgresql://u@h/db", HOLDFAST_REPOSITORY: "file:///backups", HOLDFAST_RECIPIENTS: "age1a, age1b\nage1c", HOLDFAST_IDENTITY_FILE: "identity.txt" });
  expect(config).toMatchObject({
    repository: { url: "file:///backups" }, recipients: ["age1a", "age1b", "age1c"], identityFile: `${folder}/identity.txt`, source: undefined, warnings: [],
    stateDir: `${folder}/.local/state/holdfast`, signingKeyFile: undefined, trustedSigners: undefined,
  });
  expect([...config.databases.values()]).toMatchObject([{ name: "main", url: "postgresql://u@h/db" }]);
});

test("nothing at all is an empty configuration", async () => {
  const { load } = await workspace();
  const config = await load();
  expect(config.databases.size).toBe(0);
  expect(config).toMatchObject({ repository: undefined, recipients: [], identityFile: undefined });
});

test("the file is the named one, else the first of the working folder's and the user's", async () => {
  const { path, load, failure } = await workspace({ "named.yaml": "operator: named", ".config/holdfast/holdfast.yaml": "operator: user's", "xdg/holdfast/holdfast.yaml": "operator: xdg" });
  expect((await load({}, "named.yaml")).operator).toBe("named");
  expect((await load({ HOLDFAST_CONFIG: path("named.yaml") })).operator).toBe("named");
  expect((await load()).operator).toBe("user's");
  expect((await load({ XDG_CONFIG_HOME: path("xdg") })).operator).toBe("xdg");
  await writeFile(path("holdfast.yaml"), "operator: here");
  expect((await load()).operator).toBe("here");
  expect((await failure({}, "absent.yaml")).message).toBe(`cannot read the configuration file ${path("absent.yaml")} (ENOENT)`);
});

test("a file that is there but cannot be read is not passed over", async () => {
  const { path, failure } = await workspace();
  await mkdir(path("holdfast.yaml"));
  expect((await failure()).message).toBe(`cannot read the configuration file ${path("holdfast.yaml")} (EISDIR)`);
});

test("key files in the configuration folder are found, an identity there is not", async () => {
  const { path, load } = await workspace({ ".config/holdfast/signing-key.pem": "k", ".config/holdfast/trusted-signers.pem": "PEM", ".config/holdfast/identity.txt": "i" });
  expect(await load()).toMatchObject({ signingKeyFile: path(".config/holdfast/signing-key.pem"), trustedSigners: "PEM", identityFile: undefined });
});

test("an empty file is an empty configuration, a list is none", async () => {
  const { load, failure } = await workspace({ "empty.yaml": "# nothing yet\n", "list.yaml": "- a" });
  expect((await load({}, "empty.yaml")).databases.size).toBe(0);
  expect((await failure({}, "list.yaml")).message).toMatch(/list\.yaml must be a map of keys$/);
});

test("a repository may be written as its URL alone, and anchors may be merged", async () => {
  const { load } = await workspace({ "holdfast.yaml": "repository: file:///b\ndatabases:\n  a: &a { url: service=a, compressionLevel: 2 }\n  b: { <<: *a, url: service=b }\n" });
  const config = await load();
  expect(config.repository).toEqual({ url: "file:///b", uploader: "own" });
  expect(config.databases.get("b")).toMatchObject({ url: "service=b", compressionLevel: 2 });
});

test.each([
  ["operator: a\nrecipients: [b", 2],
  ["operator: a\n\tb: c", 2],
  ["operator: 'x", 1],
  ["a: 1\na: 2", 2],
  ["operator: !odd x", 1],
])("YAML that is broken names its line: %j", async (text, line) => {
  const { failure } = await workspace({ "holdfast.yaml": text });
  expect((await failure()).message).toMatch(new RegExp(`holdfast\\.yaml is not valid YAML: line ${line}, column \\d+: [a-z]`));
});

test.each(['url: "postgresql://u:hunter22@h\\q"', "url: x\n  postgresql://u:hunter22@h: y", "url: [hunter22", "url: *hunter22", "url: !hunter22 x", "hunter22: 1\nhunter22: 2", "url: hunter22\nhunter22"])(
  "an error of YAML quotes nothing of the file: %j",
  async (text) => {
    const { failure } = await workspace({ "holdfast.yaml": text });
    const error = await failure();
    expect(`${error.message} ${JSON.stringify(error)}`).not.toContain("hunter22");
  },
);

test("all problems are told at once, with place, value and rule, and without secrets", async () => {
  const { path, failure } = await workspace({
    "holdfast.yaml": `
databases:
  EHR: { url: service=x }
  ehr: { url: postgresql://u:hunter22@h/d, recipent: [], compresionLevel: 2, appVersion: 1.1 }
  b:
  c: { tools: docker exec -it db, compressionLevel: 25 }
  d: { url: { env: NOT_THERE }, digests: some, exclude: { table: [] } }
repository: { url: "ftp://u:hunter22@h", objectLock: { mode: soft }, partSize: 16, requestTimeout: 30, credentials: { accessKeyId: hunter22 } }
operatr: x
recipients: [1]
stateDir: 7
`,
  });
  const error = await failure({ HOLDFAST_REPOSITORY_ATTEMPTS: "many" });
  expect(error.message).not.toContain("hunter22");
  expect(error.message.split("\n")[0]).toBe(`21 problems in ${path("holdfast.yaml")}:`);
  expect(new Set(error.details?.["problems"] as string[])).toEqual(
    new Set([
      "databases.EHR: the name must be a short name: lower-case letters, digits, - and _, at most 40, not beginning with - or _",
      "unknown key `recipent` at databases.ehr; did you mean `recipients`, at the top of the file?",
      "unknown key `compresionLevel` at databases.ehr; did you mean `compressionLevel`?",
      "databases.ehr.appVersion is 1.1, but must be a text (put numbers in quotes), { env: NAME }, { file: path } or { command: [program, argument…] }",
      "databases.b is empty, but must be a map of keys",
      "databases.c.url (or DATABASE_URL) is missing; it must be a text (put numbers in quotes), { env: NAME }, { file: path } or { command: [program, argument…] }",
      'databases.c.tools is "docker exec -it db", but must not ask for a terminal (-t): it damages a dump',
      "databases.c.compressionLevel is 25, but must be a whole number from 1 to 19",
      "databases.d.url: the environment variable NOT_THERE is not set",
      'databases.d.digests is "some", but must be none, all or a list of table patterns',
      "unknown key `table` at databases.d.exclude; did you mean `tables`?",
      "repository.url is a text, but must begin with file:// or s3://",
      'repository.objectLock.mode is "soft", but must be GOVERNANCE or COMPLIANCE',
      "repository.objectLock.days (or HOLDFAST_REPOSITORY_OBJECT_LOCK_DAYS) is missing; it must be a whole number from 1 to 36500",
      "repository.partSize is 16, but must be a size from 8MiB to 5GiB, as in 16MiB",
      "repository.requestTimeout is 30, but must be a duration from 1s to 1d with its unit, as in 30s or 5m",
      "repository.credentials.secretAccessKey (or HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY) is missing; it must be a text (put numbers in quotes), { env: NAME }, { file: path } or { command: [program, argument…] }",
      'HOLDFAST_REPOSITORY_ATTEMPTS is "many", but must be a whole number from 1 to 20',
      "unknown key `operatr`; did you mean `operator`?",
      "recipients[0] is 1, but must be a text (put numbers in quotes)",
      "stateDir is 7, but must be a text (put numbers in quotes)",
    ]),
  );
});

test("a single problem stands on the error's one line, with what to do next", async () => {
  const { path, failure } = await workspace({ "holdfast.yaml": "pg_bin: /x" });
  const error = await failure();
  expect(error.message).toBe(`${path("holdfast.yaml")}: unknown key \`pg_bin\`; did you mean \`pgBin\`?`);
  expect(error.hints).toEqual(["Correct it, then run `holdfast config validate`; docs/reference/configuration.md lists every key and variable."]);
  expect((await failure({}, "holdfast.yaml")).exitCode).toBe(10);
});

test.each(["databases: postgresql://u:hunter22@h/db", "databases: { ehr: 'password=hunter22' }", "repository: [s3://k:hunter22@b]", "databases: { ehr: { url: { command: hunter22 } } }", "databases: { ehr: { url: { command: [a, [hunter22]] } } }", "databases: { ehr: { url: { env: 7, hunter22: x } } }", "operator: [postgresql://u:hunter22@h]", "recipients: { fil: hunter22 }"])(
  "a secret in the wrong place is not quoted: %s",
  async (text) => {
    const { failure } = await workspace({ "holdfast.yaml": text });
    expect((await failure()).message).not.toContain("hunter22");
  },
);
