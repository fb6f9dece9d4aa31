import { chmod } from "node:fs/promises";
import { expect, test } from "vitest";

import { maskUrl } from "../../../src/config/secrets.ts";
import { showConfig } from "../../../src/config/show.ts";
import { redact } from "../../../src/process/redact.ts";
import { workspace } from "./workspace.ts";

test("a secret comes from the environment, a file or a command, and is registered", async () => {
  const { load } = await workspace({
    "holdfast.yaml": `
databases:
  a: { url: { env: A_URL } }
  b: { url: { file: b.url } }
  c: { url: { command: [sh, -c, 'echo "postgresql://u:from-command$SUFFIX@h/c"'] } }
`,
    "b.url": "postgresql://u:from%2Ffile@h/b\n",
  });
  const config = await load({ A_URL: "postgresql://u:from-env@h/a", SUFFIX: "-1", DATABASE_URL_FILE: "" });
  expect([...config.databases.values()].map(({ url }) => url)).toEqual(["postgresql://u:from-env@h/a", "postgresql://u:from%2Ffile@h/b", "postgresql://u:from-command-1@h/c"]);
  expect(redact("from-env from/file from%2Ffile from-command-1")).toBe("*** *** *** ***");
});

test.each([
  [["sh", "-c", "echo top-secret; echo top-secret >&2; exit 3"], "the command sh exited with 3"],
  [["no-such-program-here"], "the command no-such-program-here could not be run"],
  [["true"], "the command true printed nothing"],
])("a command that fails names the field, not its output: %j", async (command, problem) => {
  const { failure, path } = await workspace({ "holdfast.yaml": JSON.stringify({ databases: { ehr: { url: { command } } } }) });
  const error = await failure();
  expect(error.message).toBe(`${path("holdfast.yaml")}: databases.ehr.url: ${problem}`);
  expect(JSON.stringify(error)).not.toContain("top-secret");
  expect(error.cause).toBeUndefined();
});

test("a command does not see our own secrets", async () => {
  const { load } = await workspace({ "holdfast.yaml": "databases: { a: { url: { command: [sh, -c, 'echo \"service=${HOLDFAST_OPERATOR:-none}\"'] } } }" });
  expect((await load({ HOLDFAST_OPERATOR: "me" })).databases.get("a")?.url).toBe("service=none");
});

test("a secret file that is absent or empty is named", async () => {
  const { failure, path } = await workspace({ empty: "\n" });
  expect((await failure({ DATABASE_URL_FILE: "gone" })).message).toBe(`the environment: DATABASE_URL_FILE: cannot read ${path("gone")} (ENOENT)`);
  expect((await failure({ DATABASE_URL_FILE: "empty" })).message).toBe(`the environment: DATABASE_URL_FILE: the file ${path("empty")} is empty`);
});

test("secrets that everybody can read are accepted with a warning", async () => {
  const { load, path } = await workspace({ url: "postgresql://u:long-enough@h/d", "holdfast.yaml": "repository: { url: 's3://b', credentials: { accessKeyId: id, secretAccessKey: written-here } }" });
  expect((await load({ DATABASE_URL_FILE: "url" })).warnings).toEqual([]);
  await chmod(path("url"), 0o644);
  await chmod(path("holdfast.yaml"), 0o644);
  expect((await load({ DATABASE_URL_FILE: "url" })).warnings).toEqual([
    `everybody on this machine can read the secret in ${path("url")}; \`chmod 600\` it`,
    `everybody on this machine can read the secrets in ${path("holdfast.yaml")}; \`chmod 600\` it, or move them out with { env }, { file } or { command }`,
  ]);
});

test("the application's version may come from a command, and its failure keeps no backup from being made", async () => {
  const { load } = await workspace({ "holdfast.yaml": "databases: { a: { url: service=a, appVersion: { command: [echo, 1.2.3] } }, b: { url: service=b, appVersion: { env: NOT_THERE } } }" });
  const config = await load();
  expect([...config.databases.values()].map(({ appVersion }) => appVersion)).toEqual(["1.2.3", undefined]);
  expect(config.warnings).toEqual(["the application's version is unknown: the environment variable NOT_THERE is not set"]);
});

test("keys of the store are registered, ours and those that the SDK reads itself", async () => {
  const { load } = await workspace({ "holdfast.yaml": "repository: { url: 's3://b', credentials: { accessKeyId: abc, secretAccessKey: { env: STORE_KEY } } }" });
  const config = await load({ STORE_KEY: "store-key-1", AWS_SECRET_ACCESS_KEY: "aws-key-1", AWS_SESSION_TOKEN: "aws-token-1" });
  expect(redact("store-key-1 aws-key-1 aws-token-1")).toBe("*** *** ***");
  // Too short to be registered, and still not shown.
  expect(showConfig(config).settings).toContainEqual({ name: "repository.credentials.accessKeyId", value: "***", from: "file" });
});

test("recipients are read from a file, comments left out", async () => {
  const { load } = await workspace({ "holdfast.yaml": "recipients: { file: recipients.txt }", "recipients.txt": "# on call\nage1a\n\n  age1b  # escrow\n" });
  expect((await load()).recipients).toEqual(["age1a", "age1b"]);
  expect((await load({ HOLDFAST_RECIPIENTS: "age1c" })).recipients).toEqual(["age1c"]);
});

test("config show masks every secret and says where each value came from", async () => {
  const planted = "PLANTED/secret 1";
  const { load, path } = await workspace({
    "holdfast.yaml": `
databases:
  a: { url: "postgresql://u:${encodeURIComponent(planted)}@h:5433/a" }
  b: { url: "host=h password='${planted}' dbname=b" }
  c: { url: "postgresql://u@h/c?password=${encodeURIComponent(planted)}&sslmode=require" }
  d: { url: "postgresql://postgres:postgres@localhost/postgres" }
  e: { url: { env: E_URL } }
repository: { url: "s3://key:${encodeURIComponent(planted)}@bucket/prefix", credentials: { accessKeyId: "${planted}", secretAccessKey: "${planted}", sessionToken: "${planted}" } }
operator: "${planted}"
`,
  });
  const shown = showConfig(await load({ E_URL: `postgresql://u:${planted}@h/e`, HOLDFAST_STATE_DIR: "/s" }));
  for (const form of [planted, encodeURIComponent(planted), "PLANTED"]) expect(JSON.stringify(shown)).not.toContain(form);
  expect(shown.source).toBe(path("holdfast.yaml"));
  expect(shown.settings).toEqual(
    expect.arrayContaining([
      { name: "databases.a.url", value: "postgresql://u:***@h:5433/a", from: "file" },
      { name: "databases.b.url", value: "host=h password=*** dbname=b", from: "file" },
      { name: "databases.c.url", value: "postgresql://u@h/c?password=***&sslmode=require", from: "file" },
      { name: "databases.d.url", value: "postgresql://postgres:***@localhost/postgres", from: "file" },
      { name: "databases.e.url", value: "postgresql://u:***@h/e", from: "file" },
      { name: "repository.url", value: "s3://key:***@bucket/prefix", from: "file" },
      { name: "repository.credentials.secretAccessKey", value: "***", from: "file" },
      { name: "stateDir", value: "/s", from: "HOLDFAST_STATE_DIR" },
      { name: "pgBin", value: null, from: "default" },
    ]),
  );
  const names = shown.settings.map(({ name }) => name.split(".").slice(0, 2).join("."));
  expect([...new Set(names)].slice(0, 6)).toEqual(["databases.a", "databases.b", "databases.c", "databases.d", "databases.e", "repository.url"]);
});

test.each([
  ["postgresql://u:p@ss@h/db", "postgresql://u:***@h/db"],
  ["postgresql://u:pa/ss?w@h/db", "postgresql://u:***@h/db"],
  ["postgresql://u@h/db?email=a@b", "postgresql://u@h/db?email=a@b"],
  ["postgresql://u:pw@h/db?email=a@b", "postgresql://u:***@b"],
  ["postgresql://h:5432/db", "postgresql://h:5432/db"],
  ["host=h password = 'it\\'s' dbname=d", "host=h password = *** dbname=d"],
  ["service=ehr", "service=ehr"],
])("%s is shown as %s", (url, shown) => {
  expect(maskUrl(url)).toBe(shown);
});
