/**
 * Times Holdfast against the shell pipeline that it replaces, in turn (A, B, A, B…), on one database and one S3 server,
 * and writes the ratios to docs/benchmarks.md. Run it on an otherwise idle machine:
 *
 *   npm run build && npm run benchmark -- --patients 130000 --runs 3
 *
 * Needs PostgreSQL, age, zstd, GNU time and the AWS CLI; it starts PostgreSQL and a Ceph RADOS gateway of its own.
 */
import { execa } from "execa";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { generateKeys } from "../src/app/keys/generate-keys.ts";
import { serverBinaries } from "../src/postgres/binaries.ts";
import { type Cluster, startCluster } from "../src/postgres/cluster.ts";
import { runScript } from "../src/postgres/session.ts";
import { clinicSql } from "../src/quickstart/clinic.ts";

const root = join(import.meta.dirname, "..");
const { values: flags } = parseArgs({ options: { patients: { type: "string", default: "130000" }, runs: { type: "string", default: "3" }, small: { type: "string", default: "13000" }, large: { type: "string", default: "" } } });
const runs = Number(flags.runs);
const port = 19_230;
const s3 = { bucket: "bench", endpoint: `http://127.0.0.1:${port}`, accessKey: "benchkey", secretKey: "benchsecret" };

interface Measured {
  readonly wall: number;
  readonly cpu: number;
  /** Largest resident set of any one process, MB. */
  readonly rss: number;
}

/** Runs a command under GNU time. */
async function measure(folder: string, env: Record<string, string>, command: string): Promise<Measured> {
  const file = join(folder, "time");
  await execa("/usr/bin/time", ["-f", "%e %U %S %M", "-o", file, "bash", "-o", "pipefail", "-ec", command], { env, stdio: ["ignore", "ignore", "inherit"] });
  const [wall = 0, user = 0, system = 0, kilobytes = 0] = (await readFile(file, "utf8")).trim().split("\n").at(-1)?.split(" ").map(Number) ?? [];
  return { wall, cpu: user + system, rss: kilobytes / 1024 };
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

interface Bench {
  readonly folder: string;
  readonly env: Record<string, string>;
}

async function prepare(cluster: Cluster, binaries: string, folder: string): Promise<Bench> {
  const keys = await generateKeys(join(folder, "keys"));
  const env = {
    PATH: `${binaries}:${join(root, "node_modules", ".bin")}:${process.env["PATH"] ?? ""}`,
    PGHOST: cluster.socket,
    PGPORT: String(cluster.port),
    PGUSER: cluster.user,
    DATABASE_URL: `postgresql:///bench?host=${cluster.socket}&port=${cluster.port}&user=${cluster.user}`,
    HOLDFAST_DATABASE: "bench",
    HOLDFAST_REPOSITORY: `s3://${s3.bucket}/holdfast?endpoint=${s3.endpoint}&path-style=true&region=us-east-1`,
    HOLDFAST_RECIPIENTS: keys.recipient,
    HOLDFAST_IDENTITY_FILE: keys.files.identity,
    HOLDFAST_SIGNING_KEY_FILE: keys.files.signingKey,
    HOLDFAST_STATE_DIR: join(folder, "state"),
    AWS_ACCESS_KEY_ID: s3.accessKey,
    AWS_SECRET_ACCESS_KEY: s3.secretKey,
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_ENDPOINT_URL: s3.endpoint,
  };
  await execa("aws", ["s3", "mb", `s3://${s3.bucket}`], { env, stdio: "ignore" });
  await execa(join(root, "bin", "run.js"), ["repository", "init"], { env, stdio: "ignore" });
  return { folder, env };
}

const holdfast = join(root, "bin", "run.js");

/** Everything but the database is as in production; the shell's pipeline has no truth, no manifest and no signature. */
const backup = {
  holdfast: `${holdfast} backup --quiet`,
  shell: (recipient: string): string => `pg_dump -Fc -Z0 bench | zstd -1 -q | age -r ${recipient} | aws s3 cp - s3://${s3.bucket}/shell --quiet --expected-size 4000000000`,
  dump: "pg_dump -Fc -Z0 bench > /dev/null",
};
const restore = {
  holdfast: (name: string): string => `${holdfast} restore latest --into ${name} --quiet`,
  shell: (name: string, identity: string): string => `createdb -T template0 ${name}; aws s3 cp s3://${s3.bucket}/shell - --quiet | age -d -i ${identity} | zstd -dq | pg_restore --exit-on-error -d ${name}; psql -q -d ${name} -c ANALYZE`,
};

async function load(cluster: Cluster, binaries: string, patients: number): Promise<number> {
  const target = { psql: [join(binaries, "psql")] as [string], env: { PGHOST: cluster.socket, PGPORT: String(cluster.port), PGUSER: cluster.user, PGDATABASE: "postgres" } };
  await runScript(target, "DROP DATABASE IF EXISTS bench WITH (FORCE);\nCREATE DATABASE bench TEMPLATE template0;\n");
  await runScript({ ...target, env: { ...target.env, PGDATABASE: "bench" } }, clinicSql({ patients }));
  await runScript({ ...target, env: { ...target.env, PGDATABASE: "bench" } }, "VACUUM ANALYZE;\nCHECKPOINT;\n");
  const { stdout } = await execa("bash", ["-c", `${join(binaries, "pg_dump")} -Fc -Z0 bench | wc -c`], { env: target.env });
  return Number(stdout);
}

async function emptyBucket({ env }: Bench): Promise<void> {
  await execa("aws", ["s3", "rm", "--recursive", "--quiet", `s3://${s3.bucket}/holdfast/bench/backups/`], { env, reject: false, stdio: "ignore" });
}

async function pairs(bench: Bench, count: number, commands: Record<string, (round: number) => string>, after: (round: number) => Promise<void>): Promise<Map<string, Measured[]>> {
  const results = new Map(Object.keys(commands).map((name) => [name, [] as Measured[]]));
  for (let round = 0; round <= count; round += 1) {
    for (const [name, command] of Object.entries(commands)) {
      const measured = await measure(bench.folder, bench.env, command(round));
      process.stderr.write(`${round === 0 ? "warm-up" : `round ${round}`} ${name}: ${measured.wall} s, ${measured.cpu.toFixed(1)} s CPU, ${measured.rss.toFixed(0)} MB\n`);
      if (round > 0) results.get(name)?.push(measured);
    }
    await after(round);
  }
  return results;
}

function row(name: string, results: Map<string, Measured[]>, against: readonly string[]): string {
  const own = results.get(name) ?? [];
  const ratios = against.map((other) => {
    const others = results.get(other) ?? [];
    return other === name ? "1" : median(own.map((measured, round) => measured.wall / (others[round]?.wall ?? Number.NaN))).toFixed(2);
  });
  return `| ${name} | ${median(own.map(({ wall }) => wall)).toFixed(1)} s | ${median(own.map(({ cpu }) => cpu)).toFixed(1)} s | ${Math.max(...own.map(({ rss }) => rss)).toFixed(0)} MB | ${ratios.join(" | ")} |`;
}

async function run(): Promise<void> {
  const binaries = await serverBinaries();
  if (binaries === undefined) throw new Error("PostgreSQL's programs were not found");
  const folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const ceph = join(root, "test", "harness", "ceph");
  const cephFolder = join(folder, "s3");
  const cephEnv = { S3_ACCESS_KEY: s3.accessKey, S3_SECRET_KEY: s3.secretKey, S3_BYTES: String(9 * 2 ** 30) };
  await mkdir(cephFolder, { recursive: true });
  await execa("bash", [join(ceph, "install.sh")], { stdio: "inherit" });
  await execa("bash", [join(ceph, "start.sh"), cephFolder, String(port), String(port + 1)], { env: cephEnv, stdio: "inherit" });
  const cluster = await startCluster({ binaries, settings: { max_wal_size: "'8GB'", shared_buffers: "'512MB'", maintenance_work_mem: "'256MB'" } });
  try {
    const bench = await prepare(cluster, binaries, folder);
    const recipient = bench.env["HOLDFAST_RECIPIENTS"] ?? "";
    const identity = bench.env["HOLDFAST_IDENTITY_FILE"] ?? "";

    const small = await load(cluster, binaries, Number(flags.small));
    const smallRun = await pairs(bench, 1, { holdfast: () => backup.holdfast }, () => emptyBucket(bench));
    const bytes = await load(cluster, binaries, Number(flags.patients));
    const backups = await pairs(bench, runs, { holdfast: () => backup.holdfast, shell: () => backup.shell(recipient), "pg_dump alone": () => backup.dump }, (round) => (round === runs ? Promise.resolve() : emptyBucket(bench)));
    const restores = await pairs(bench, runs, { holdfast: (round) => restore.holdfast(`copy_h${round}`), shell: (round) => restore.shell(`copy_s${round}`, identity) }, async (round) => {
      await execa("bash", ["-c", `dropdb copy_h${round}; dropdb copy_s${round}`], { env: bench.env });
    });
    const help = await pairs(bench, 5, { help: () => `${holdfast} --help` }, () => Promise.resolve());
    let large = "";
    if (flags.large !== "") {
      await emptyBucket(bench);
      const largeBytes = await load(cluster, binaries, Number(flags.large));
      const largeRun = await pairs(bench, 0, {}, () => Promise.resolve()).then(async () => measure(bench.folder, bench.env, backup.holdfast));
      large = `, ${largeRun.rss.toFixed(0)} MB at ${(largeBytes / 1e9).toFixed(2)} GB`;
    }
    const gigabytes = (bytes / 1e9).toFixed(2);
    const report = `# Benchmarks

${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), Node ${process.versions.node}, PostgreSQL ${(await execa(join(binaries, "postgres"), ["--version"])).stdout.split(" ")[2] ?? ""}, Ceph RADOS gateway on loopback (memory store), sample
clinic of ${flags.patients} patients: ${gigabytes} GB as \`pg_dump -Fc -Z0\`. Medians of ${runs} runs taken in turn after a warm-up; ratios are medians of pairs.
Made by \`npm run build && npm run benchmark -- --patients ${flags.patients} --small ${flags.small}${flags.large === "" ? "" : ` --large ${flags.large}`} --runs ${runs}\`.

## Backup

The shell is \`pg_dump -Fc -Z0 | zstd -1 | age | aws s3 cp -\`. Holdfast also counts every row in the dump's snapshot, dumps schema,
roles and settings apart, signs, and writes the timeline.

| | wall | CPU | peak RSS, largest process | wall / shell | wall / pg_dump alone |
|---|---|---|---|---|---|
${["holdfast", "shell", "pg_dump alone"].map((name) => row(name, backups, ["shell", "pg_dump alone"])).join("\n")}

Peak RSS of \`holdfast backup\`: ${Math.max(...(smallRun.get("holdfast") ?? []).map(({ rss }) => rss)).toFixed(0)} MB at ${(small / 1e9).toFixed(2)} GB, ${Math.max(...(backups.get("holdfast") ?? []).map(({ rss }) => rss)).toFixed(0)} MB at ${gigabytes} GB${large}.

## Restore

The shell is the same pipeline backwards, with ANALYZE. Holdfast also checks signature and hash, and compares the copy with the truth.

| | wall | CPU | peak RSS, largest process | wall / shell |
|---|---|---|---|---|
${["holdfast", "shell"].map((name) => row(name, restores, ["shell"])).join("\n")}

## Start

\`holdfast --help\`: ${median((help.get("help") ?? []).map(({ wall }) => wall)).toFixed(2)} s.
`;
    const page = join(root, "docs", "benchmarks.md");
    // What other measurements have written stays.
    const others = /\n## (?:Drill|Many backups)\n[\s\S]*$/.exec(await readFile(page, "utf8"))?.[0] ?? "";
    await writeFile(page, report + others);
    process.stdout.write(report);
  } finally {
    await cluster.stop();
    await execa("bash", [join(ceph, "stop.sh"), cephFolder], { reject: false });
    await rm(folder, { recursive: true, force: true });
  }
}

await run();
