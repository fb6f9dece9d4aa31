import { expect, test } from "vitest";

import { type EnvVariable, envVariables } from "../../../src/config/fields.ts";
import { showConfig } from "../../../src/config/show.ts";
import { workspace } from "./workspace.ts";

/** Values that differ from every default, with what `config show` makes of them. */
const samples: Readonly<Record<string, readonly [text: string, shown: unknown]>> = {
  DATABASE_URL: ["service=sample", "service=sample"],
  HOLDFAST_TOOLS: ["docker exec 'my db'", ["docker", "exec", "-i", "my db"]],
  HOLDFAST_INCLUDE_TABLES: ["a, b", ["a", "b"]],
  HOLDFAST_INCLUDE_SCHEMAS: ["a", ["a"]],
  HOLDFAST_EXCLUDE_TABLES: ["a\nb", ["a", "b"]],
  HOLDFAST_EXCLUDE_SCHEMAS: ["a", ["a"]],
  HOLDFAST_EXCLUDE_TABLE_DATA: ["a", ["a"]],
  HOLDFAST_DIGESTS: ["all", "all"],
  HOLDFAST_ROLE_PASSWORDS: ["yes", true],
  HOLDFAST_APP_VERSION: ["1.10", "1.10"],
  HOLDFAST_COMPRESSION_LEVEL: ["7", 7],
  HOLDFAST_CANARY: ["ops.canary", "ops.canary"],
  HOLDFAST_DRILL_SCRATCH: ["docker", "docker"],
  HOLDFAST_DRILL_IMAGE: ["own/postgres:{major}", "own/postgres:{major}"],
  HOLDFAST_DRILL_STORAGE: ["tmpfs", "tmpfs"],
  HOLDFAST_DRILL_SERVER: ["postgresql://d:sample-pass@h/d", "postgresql://d:***@h/d"],
  HOLDFAST_DRILL_ALLOW_SOURCE_SERVER: ["yes", true],
  HOLDFAST_DRILL_TTL: ["90m", 5_400_000],
  HOLDFAST_DRILL_RTO: ["1h", 3_600_000],
  HOLDFAST_DRILL_RPO: ["25h", 90_000_000],
  HOLDFAST_DRILL_EVERY: ["7d", 7],
  HOLDFAST_DRILL_SMOKE_COMMAND: ["node 'my app.js'", ["node", "my app.js"]],
  HOLDFAST_DRILL_SMOKE_HTTP_URL: ["http://127.0.0.1:1/health", "http://127.0.0.1:1/health"],
  HOLDFAST_DRILL_SMOKE_HTTP_STATUS: ["204", 204],
  HOLDFAST_DRILL_SMOKE_HTTP_BODY_MATCHES: ["ok|fine", "ok|fine"],
  HOLDFAST_DRILL_SMOKE_TIMEOUT: ["5m", 300_000],
  HOLDFAST_DRILL_PLAN: ["CP-7", "CP-7"],
  HOLDFAST_DRILL_REQUIREMENT: ["SOC 2", "SOC 2"],
  HOLDFAST_DRILL_OWNER: ["on-call", "on-call"],
  HOLDFAST_DRILL_CORRECT_WITHIN: ["7d", 7],
  HOLDFAST_RETENTION_KEEP_LAST: ["9", 9],
  HOLDFAST_RETENTION_KEEP_WITHIN: ["14d", 1_209_600_000],
  HOLDFAST_RETENTION_HOURLY: ["24", 24],
  HOLDFAST_RETENTION_DAILY: ["7", 7],
  HOLDFAST_RETENTION_WEEKLY: ["8", 8],
  HOLDFAST_RETENTION_MONTHLY: ["12", 12],
  HOLDFAST_RETENTION_YEARLY: ["7", 7],
  HOLDFAST_RETENTION_TIME_ZONE: ["Europe/Berlin", "Europe/Berlin"],
  HOLDFAST_RETENTION_MINIMUM_AGE: ["30d", 2_592_000_000],
  HOLDFAST_RETENTION_MINIMUM_COUNT: ["9", 9],
  HOLDFAST_RETENTION_REQUIRE_VERIFIED: ["hash", "hash"],
  HOLDFAST_RETENTION_PRUNE: ["never", "never"],
  HOLDFAST_ROLLBACK_PLATFORM: ["none", "none"],
  HOLDFAST_ROLLBACK_COMPOSE_PROJECT: ["clinic", "clinic"],
  HOLDFAST_ROLLBACK_COMPOSE_FILES: ["/a.yaml,/b.yaml", ["/a.yaml", "/b.yaml"]],
  HOLDFAST_ROLLBACK_COMPOSE_ENV_FILES: ["/e", ["/e"]],
  HOLDFAST_ROLLBACK_COMPOSE_PROFILES: ["jobs", ["jobs"]],
  HOLDFAST_ROLLBACK_COMPOSE_SERVICES: ["app,worker", ["app", "worker"]],
  HOLDFAST_ROLLBACK_COMPOSE_CONTEXT: ["production", "production"],
  HOLDFAST_ROLLBACK_KUBERNETES_CONTEXT: ["production", "production"],
  HOLDFAST_ROLLBACK_KUBERNETES_NAMESPACE: ["clinic", "clinic"],
  HOLDFAST_ROLLBACK_KUBERNETES_KUBECONFIG: ["/kc", "/kc"],
  HOLDFAST_ROLLBACK_KUBERNETES_WORKLOADS: ["deployment/a,statefulset/b", ["deployment/a", "statefulset/b"]],
  HOLDFAST_ROLLBACK_KUBERNETES_ROLLOUT_TIMEOUT: ["90s", 90_000],
  HOLDFAST_ROLLBACK_MIGRATIONS: ["/m", "/m"],
  HOLDFAST_ROLLBACK_HEALTH_URL: ["http://127.0.0.1:3/health", "http://127.0.0.1:3/health"],
  HOLDFAST_ROLLBACK_HEALTH_STATUS: ["204", 204],
  HOLDFAST_ROLLBACK_HEALTH_VERSION: ["build.version", "build.version"],
  HOLDFAST_ROLLBACK_HEALTH_TIMES: ["5", 5],
  HOLDFAST_ROLLBACK_HEALTH_INTERVAL: ["2s", 2_000],
  HOLDFAST_ROLLBACK_HEALTH_TIMEOUT: ["5m", 300_000],
  HOLDFAST_ROLLBACK_MAINTENANCE_ON: ["/srv/stop 'it now'", ["/srv/stop", "it now"]],
  HOLDFAST_ROLLBACK_MAINTENANCE_OFF: ["/srv/start", ["/srv/start"]],
  HOLDFAST_ROLLBACK_ERROR_BUDGET: ["/srv/budget --since 1h", ["/srv/budget", "--since", "1h"]],
  HOLDFAST_ROLLBACK_DATABASE_VARIABLE: ["POSTGRES_URL", "POSTGRES_URL"],
  HOLDFAST_ROLLBACK_RUNBOOKS: ["/r", "/r"],
  HOLDFAST_ROLLBACK_SEVERITY: ["SEV-1", "SEV-1"],
  HOLDFAST_ROLLBACK_STAKEHOLDERS: ["lead,officer", ["lead", "officer"]],
  HOLDFAST_REPOSITORY: ["s3://b/p", "s3://b/p"],
  HOLDFAST_REPOSITORY_REGION: ["r", "r"],
  HOLDFAST_REPOSITORY_ENDPOINT: ["http://127.0.0.1:1", "http://127.0.0.1:1"],
  HOLDFAST_REPOSITORY_PATH_STYLE: ["false", false],
  HOLDFAST_REPOSITORY_STORAGE_CLASS: ["COLD", "COLD"],
  HOLDFAST_REPOSITORY_SERVER_SIDE_ENCRYPTION: ["AES256", "AES256"],
  HOLDFAST_REPOSITORY_KMS_KEY_ID: ["k", "k"],
  HOLDFAST_REPOSITORY_OBJECT_LOCK_MODE: ["governance", "GOVERNANCE"],
  HOLDFAST_REPOSITORY_OBJECT_LOCK_DAYS: ["9", 9],
  HOLDFAST_REPOSITORY_PART_SIZE: ["1GiB", 1_073_741_824],
  HOLDFAST_REPOSITORY_UPLOAD_CONCURRENCY: ["9", 9],
  HOLDFAST_REPOSITORY_UPLOADER: ["sdk", "sdk"],
  HOLDFAST_REPOSITORY_CONDITIONAL_WRITES: ["no", false],
  HOLDFAST_COPIES: ["a=file:///a,b=s3://b/c", ["a=file:///a", "b=s3://b/c"]],
  HOLDFAST_REPOSITORY_ATTEMPTS: ["9", 9],
  HOLDFAST_REPOSITORY_REQUEST_TIMEOUT: ["90s", 90_000],
  HOLDFAST_REPOSITORY_STALL_TIMEOUT: ["2m", 120_000],
  HOLDFAST_REPOSITORY_ACCESS_KEY_ID: ["AKIASAMPLE", "***"],
  HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY: ["sample-secret", "***"],
  HOLDFAST_REPOSITORY_SESSION_TOKEN: ["sample-token", "***"],
  HOLDFAST_RECIPIENTS: ["age1x,age1y", ["age1x", "age1y"]],
  HOLDFAST_IDENTITY_FILE: ["/i", "/i"],
  HOLDFAST_SIGNING_KEY_FILE: ["/k", "/k"],
  HOLDFAST_TRUSTED_SIGNERS: ["-----BEGIN PUBLIC KEY-----\nx", "-----BEGIN PUBLIC KEY-----\nx"],
  HOLDFAST_PG_BIN: ["/pg", "/pg"],
  HOLDFAST_OPERATOR: ["me", "me"],
  HOLDFAST_STATE_DIR: ["/s", "/s"],
  HOLDFAST_TEMP_DIR: ["/t", "/t"],
};

/** What the variable's field cannot stand without. */
const company: NodeJS.ProcessEnv = {
  DATABASE_URL: "service=x",
  HOLDFAST_DRILL_SMOKE_HTTP_URL: "http://127.0.0.1:2",
  HOLDFAST_RETENTION_KEEP_LAST: "1",
  HOLDFAST_ROLLBACK_COMPOSE_PROJECT: "p",
  HOLDFAST_ROLLBACK_COMPOSE_FILES: "/c.yaml",
  HOLDFAST_ROLLBACK_COMPOSE_SERVICES: "app",
  HOLDFAST_ROLLBACK_KUBERNETES_CONTEXT: "c",
  HOLDFAST_ROLLBACK_KUBERNETES_NAMESPACE: "n",
  HOLDFAST_ROLLBACK_KUBERNETES_WORKLOADS: "deployment/a",
  HOLDFAST_ROLLBACK_HEALTH_URL: "http://127.0.0.1:4",
  HOLDFAST_ROLLBACK_MAINTENANCE_ON: "true",
  HOLDFAST_ROLLBACK_MAINTENANCE_OFF: "true",
  HOLDFAST_REPOSITORY: "s3://x",
  HOLDFAST_REPOSITORY_OBJECT_LOCK_MODE: "COMPLIANCE",
  HOLDFAST_REPOSITORY_OBJECT_LOCK_DAYS: "1",
  HOLDFAST_REPOSITORY_ACCESS_KEY_ID: "company-id",
  HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY: "company-secret",
};

function companyOf(name: string): NodeJS.ProcessEnv {
  const part = /^HOLDFAST_ROLLBACK_(?:COMPOSE|KUBERNETES|HEALTH|MAINTENANCE)/.exec(name)?.[0];
  if (part !== undefined) return Object.fromEntries(Object.entries(company).filter(([other]) => other !== name && (other === "DATABASE_URL" || other.startsWith(part))));
  const others = name.includes("OBJECT_LOCK") ? /OBJECT_LOCK|REPOSITORY$/ : /KEY|TOKEN/.test(name) && name.startsWith("HOLDFAST_REPOSITORY") ? /ACCESS|REPOSITORY$/ : name.includes("RETENTION") ? /URL$|RETENTION/ : /URL$|REPOSITORY$/;
  return Object.fromEntries(Object.entries(company).filter(([other]) => others.test(other) && other !== name));
}

const documented = envVariables.filter((variable): variable is EnvVariable & { path: string } => variable.path !== undefined);

test.each(documented)("$name is honoured, and config show names it", async ({ name, path }) => {
  const [text, value] = samples[name] ?? [];
  if (text === undefined) throw new Error(`no sample for ${name}`);
  const { load } = await workspace();
  const { settings } = showConfig(await load({ ...companyOf(name), [name]: text }));
  expect(settings).toContainEqual({ name: path.replace("<name>", "main"), value, from: name });
});

test.each(documented.filter(({ fileVariable }) => fileVariable !== undefined))("$fileVariable is honoured, and refused beside $name", async ({ name, fileVariable, path }) => {
  const [text = "", value] = samples[name] ?? [];
  const { load, failure } = await workspace({ value: `${text.replace(",", "\n")}\n` });
  const { settings } = showConfig(await load({ ...companyOf(name), [fileVariable!]: "value" }));
  expect(settings).toContainEqual({ name: path.replace("<name>", "main"), value, from: fileVariable });
  const error = await failure({ ...companyOf(name), [name]: text, [fileVariable!]: "value" });
  expect(error.message).toContain(`${name} and ${fileVariable!} are both set, but only one of them may be`);
});

test("no two fields share a variable", () => {
  const names = envVariables.flatMap(({ name, fileVariable }) => [name, fileVariable ?? `${name}_FILE`]);
  expect(new Set(names).size).toBe(names.length);
});

const two = "databases:\n  ehr: { url: service=ehr, compressionLevel: 2 }\n  clinic: { url: service=clinic }\n";

test("HOLDFAST_DATABASE says whose URL DATABASE_URL replaces", async () => {
  const { load } = await workspace({ "holdfast.yaml": two });
  const config = await load({ DATABASE_URL: "service=new", HOLDFAST_DATABASE: "ehr", HOLDFAST_DIGESTS: "all" });
  expect([...config.databases.values()]).toMatchObject([{ name: "ehr", url: "service=new", compressionLevel: 2, digests: "all" }, { name: "clinic", url: "service=clinic", digests: "none" }]);
});

test("HOLDFAST_DATABASE alone selects and changes nothing", async () => {
  const { load } = await workspace({ "holdfast.yaml": two });
  expect((await load({ HOLDFAST_DATABASE: "clinic" })).databases).toEqual((await load()).databases);
});

test("HOLDFAST_DATABASE names a database that the file does not have", async () => {
  const { load, failure } = await workspace({ "holdfast.yaml": two });
  const config = await load({ DATABASE_URL: "service=new", HOLDFAST_DATABASE: "constructor" });
  expect([...config.databases.keys()]).toEqual(["ehr", "clinic", "constructor"]);
  expect((await failure({ DATABASE_URL: "service=new", HOLDFAST_DATABASE: "__proto__" })).message).toMatch(/HOLDFAST_DATABASE is "__proto__", but must be a short name/);
});

test("DATABASE_URL replaces no URL of a file that names several databases, and says so", async () => {
  const { load } = await workspace({ "holdfast.yaml": two });
  const config = await load({ DATABASE_URL: "service=new", HOLDFAST_DIGESTS: "all" });
  expect([...config.databases.values()]).toMatchObject([{ url: "service=ehr" }, { url: "service=clinic" }]);
  expect(config.warnings).toEqual([
    "DATABASE_URL is ignored: the file names its databases; set HOLDFAST_DATABASE to the one whose URL it replaces",
    "HOLDFAST_DIGESTS is ignored: set HOLDFAST_DATABASE to the database that it is about",
  ]);
});

test("DATABASE_URL replaces the URL of the entry `main`, of no other without being told, and the other variables set the only entry", async () => {
  const env = { DATABASE_URL: "service=new", HOLDFAST_COMPRESSION_LEVEL: "5" };
  const main = await workspace({ "holdfast.yaml": "databases: { main: { url: service=old }, x: { url: service=x } }" });
  expect([...(await main.load(env)).databases.values()]).toMatchObject([{ url: "service=new", compressionLevel: 5 }, { url: "service=x", compressionLevel: 1 }]);
  const other = await workspace({ "holdfast.yaml": "databases: { ehr: { url: service=old } }" });
  const config = await other.load(env);
  expect([...config.databases.values()]).toMatchObject([{ name: "ehr", url: "service=old", compressionLevel: 5 }]);
  expect(config.warnings).toEqual(["DATABASE_URL is ignored: the file names its databases; set HOLDFAST_DATABASE to the one whose URL it replaces"]);
});

test("DATABASE_URL that one entry refers to replaces no other entry's URL", async () => {
  const { load } = await workspace({ "holdfast.yaml": "databases:\n  ehr: { url: { env: DATABASE_URL } }\n  clinic: { url: service=clinic }\n" });
  const config = await load({ DATABASE_URL: "service=real", HOLDFAST_DATABASE: "clinic", HOLDFAST_COMPRESSION_LEVEL: "4" });
  expect([...config.databases.values()]).toMatchObject([{ name: "ehr", url: "service=real", compressionLevel: 1 }, { name: "clinic", url: "service=clinic", compressionLevel: 4 }]);
  expect(config.warnings).toEqual([]);
});

test("the environment wins over the file, and an empty variable is unset", async () => {
  const { load } = await workspace({ "holdfast.yaml": "operator: file\nrepository: { url: file:///a, attempts: 3 }\n" });
  expect(await load({ HOLDFAST_OPERATOR: "env", HOLDFAST_REPOSITORY: "file:///b" })).toMatchObject({ operator: "env", repository: { url: "file:///b", attempts: 3 } });
  expect(await load({ HOLDFAST_OPERATOR: " ", DATABASE_URL: "" })).toMatchObject({ operator: "file", repository: { url: "file:///a" } });
});

test("an unknown variable is a warning with the nearest name; those of flags and of Kubernetes are none", async () => {
  const { load } = await workspace();
  const config = await load({ HOLDFAST_RECIPIENT: "age1x", HOLDFAST_SOMETHING_ELSE: "1", HOLDFAST_PORT_80_TCP_ADDR: "10.0.0.1", HOLDFAST_SERVICE_HOST: "10.0.0.1", HOLDFAST_PORT: "tcp://10.0.0.1:80" });
  expect(config.warnings).toEqual(["nothing reads the environment variable HOLDFAST_RECIPIENT; did you mean HOLDFAST_RECIPIENTS?", "nothing reads the environment variable HOLDFAST_SOMETHING_ELSE"]);
});
