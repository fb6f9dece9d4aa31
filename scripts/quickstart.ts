/**
 * The main job on throwaway parts: a PostgreSQL of its own, a sample clinic, fresh keys, a file repository; then the
 * very commands that an operator types. What it made is left in .quickstart/ to look at; the server is stopped.
 */
import { execa } from "execa";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { serverBinaries } from "../src/postgres/binaries.ts";
import { type Cluster, startCluster } from "../src/postgres/cluster.ts";
import { runScript } from "../src/postgres/session.ts";
import { clinicSql } from "../src/quickstart/clinic.ts";
import { requirePackages } from "./debian.ts";

const root = join(import.meta.dirname, "..");
const folder = join(root, ".quickstart");
const patients = Number(process.env["QUICKSTART_PATIENTS"] ?? 2_000);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Runs one holdfast command as an operator would, shown first. */
async function holdfast(env: Record<string, string>, ...args: string[]): Promise<void> {
  say(`\n$ holdfast ${args.join(" ")}`);
  await execa(join(root, "bin", "run.js"), args, { env, stdio: "inherit" });
}

async function reportIn(drills: string): Promise<string> {
  const [drill = ""] = await readdir(drills);
  return join(drills, drill, "report.html");
}

async function run(cluster: Cluster, binaries: string): Promise<void> {
  const keys = join(folder, "keys");
  const repository = join(folder, "repository");
  const local = { PGHOST: cluster.socket, PGPORT: String(cluster.port), PGUSER: cluster.user };
  await runScript({ psql: [join(binaries, "psql")], env: { ...local, PGDATABASE: "postgres" } }, "CREATE DATABASE clinic TEMPLATE template0;\n");
  await runScript({ psql: [join(binaries, "psql")], env: { ...local, PGDATABASE: "clinic" } }, clinicSql({ patients }));
  say(`a throwaway PostgreSQL with a sample clinic of ${patients} patients is up`);

  const env = {
    DATABASE_URL: `postgresql://${cluster.user}:${cluster.password}@127.0.0.1:${cluster.port}/clinic?schema=public&connection_limit=5`,
    HOLDFAST_DATABASE: "clinic",
    HOLDFAST_DIGESTS: "all",
    HOLDFAST_REPOSITORY: `file://${repository}`,
    HOLDFAST_SIGNING_KEY_FILE: join(keys, "signing-key.pem"),
    HOLDFAST_TRUSTED_SIGNERS: join(keys, "trusted-signers.pem"),
    HOLDFAST_RECIPIENTS_FILE: join(keys, "recipient.txt"),
    HOLDFAST_IDENTITY_FILE: join(keys, "identity.txt"),
    HOLDFAST_STATE_DIR: join(folder, "state"),
    HOLDFAST_DRILL_RTO: "15m",
    HOLDFAST_DRILL_RPO: "25h",
  };
  await holdfast({}, "keys", "generate", "--out", keys);
  await writeFile(join(folder, "env"), Object.entries(env).map(([name, value]) => `export ${name}='${value}'\n`).join(""), { mode: 0o600 });
  await holdfast(env, "repository", "init");
  await holdfast(env, "backup", "--label", "quickstart", "--reason", "first look");
  await holdfast(env, "backup", "list");
  await holdfast(env, "backup", "verify", "latest", "--level", "archive");
  await holdfast(env, "restore", "latest", "--into", "clinic_copy", "--reason", "first look");
  await holdfast(env, "drill", "restore", "--reason", "first look");
  await holdfast(env, "audit", "show");
  await holdfast(env, "audit", "verify");
  say(`
Done: the copies held exactly what the source held in the snapshot that was dumped, and the drill's evidence is signed.

  the report     ${await reportIn(join(repository, "clinic", "drills"))}
  repository     ${repository}
  the format     src/catalog/FORMAT.md (recover with age, zstd, pg_restore and openssl alone)
  keys           ${keys}
  environment    ${join(folder, "env")}

Next: put DATABASE_URL, HOLDFAST_REPOSITORY and your keys into the environment (.env.example lists everything) and run
\`holdfast doctor\`.`);
}

const started = Date.now();
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true, mode: 0o700 });
await requirePackages(["postgresql"], say);
const binaries = await serverBinaries();
if (binaries === undefined) throw new Error("PostgreSQL's programs were not found");
const cluster = await startCluster({ binaries, tcp: true });
try {
  await run(cluster, binaries);
} finally {
  await cluster.stop();
}
say(`(${Math.round((Date.now() - started) / 1000)} s; the throwaway PostgreSQL is stopped and gone)`);
