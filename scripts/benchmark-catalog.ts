/**
 * Times the catalog of a repository with many backups, in a folder and in an S3 server, each command as a process of its
 * own, and writes the figures into their section of docs/benchmarks.md:
 *
 *   npm run build && node scripts/benchmark-catalog.ts --backups 10000
 *
 * Needs GNU time; it starts a Ceph RADOS gateway of its own.  `--store folder` or `s3` only prints. Manifests and signatures are real, the parts are empty.
 */
import { execa } from "execa";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { generateKeys } from "../src/app/keys/generate-keys.ts";
import { backupId, backupKey, indexKey, manifestFile, signatureSuffix } from "../src/catalog/layout.ts";
import { type Manifest, serializeManifest } from "../src/catalog/manifest.ts";
import { initRepository, openRepository, type Repository } from "../src/catalog/repository.ts";
import { loadSigner, loadTrustedSigners, type Signer } from "../src/catalog/signatures.ts";
import { refreshIndex } from "../src/catalog/summaries.ts";
import { openStore } from "../src/store/open.ts";
import type { Store } from "../src/store/store.ts";

const root = join(import.meta.dirname, "..");
const { values: flags } = parseArgs({ options: { backups: { type: "string", default: "10000" }, runs: { type: "string", default: "3" }, tables: { type: "string", default: "40" }, store: { type: "string", default: "both" } } });
const backups = Number(flags.backups);
const runs = Number(flags.runs);
const port = 19_330;
const credentials = { accessKeyId: "benchkey", secretAccessKey: "benchsecret" };
const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const parts = ["globals.sql", "database.sql", "catalog.json", "schema.pgdump", "data.pgdump"].map((file) => ({ name: file.split(".")[0] ?? "", file: `${file}.zst.age`, bytes: 0, sha256: empty, plainBytes: 0 }));

function manifestAt(at: Date, signer: Signer): Manifest {
  const instant = at.toISOString();
  const tables = Array.from({ length: Number(flags.tables) }, (_, number) => ({ schema: "public", name: `table_${number}`, kind: "table" as const, rows: 1000 * number }));
  return {
    format: 1, id: backupId("ehr", at, "7f3a"), database: "ehr", label: null, reason: null, startedAt: instant, snapshotAt: instant, finishedAt: instant,
    createdBy: { holdfast: "0.1.0", host: "db1", user: "backup" }, source: { database: "ehr", server: "15.18", client: "15.18" }, compression: { algorithm: "zstd", level: 1 },
    encryption: { format: "age", recipient: `age1${"q".repeat(58)}`, keyRecipients: [`age1${"p".repeat(58)}`, `age1${"z".repeat(58)}`] }, partial: false, roles: ["ehr", "reader"], parts,
    truth: {
      server: { version: "15.18", versionNum: 150_018, settings: {} }, database: { name: "ehr", encoding: "UTF8", collate: "C", ctype: "C", provider: "libc", owner: "ehr", bytes: 1 },
      tables, sequences: [], largeObjects: { count: 0 }, extensions: [], collations: [], schema: { fingerprint: "0".repeat(64), kinds: {} }, migrations: [],
    },
    sequencesAfter: [], signer: signer.id,
  };
}

/** Fills a repository as backups would have, eight hours apart. */
async function fill(store: Store, signer: Signer): Promise<void> {
  const start = Date.parse("2017-01-01T02:00:00Z");
  const queue = Array.from({ length: backups }, (_, number) => new Date(start + number * 8 * 3_600_000)).values();
  let done = 0;
  const worker = async (): Promise<void> => {
    for (const at of queue) {
      const manifest = manifestAt(at, signer);
      const bytes = serializeManifest(manifest);
      const key = (file: string): string => backupKey("ehr", manifest.id, file);
      for (const file of [...parts.map((part) => part.file), "key.age", "key.age.sig"]) await store.put(key(file), Buffer.alloc(0));
      await store.put(key(manifestFile + signatureSuffix), signer.sign(bytes));
      await store.put(key(manifestFile), bytes);
      done += 1;
      if (done % 1000 === 0) process.stderr.write(`${store.url}: ${done} backups\n`);
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

/** Wall seconds and largest resident set in MB of one run of a command; its answer must name all backups. */
async function measure(folder: string, env: Record<string, string>, args: readonly string[]): Promise<{ wall: number; rss: number }> {
  const file = join(folder, "time");
  const { stdout } = await execa("/usr/bin/time", ["-f", "%e %M", "-o", file, join(root, "bin", "run.js"), ...args], { env, maxBuffer: 2 ** 30 });
  const answer = JSON.parse(stdout) as unknown[] | { readonly keep: unknown[]; readonly remove: unknown[] };
  const named = Array.isArray(answer) ? answer.length : answer.keep.length + answer.remove.length;
  if (named !== backups) throw new Error(`${args.join(" ")} named ${named} backups of ${backups}`);
  const [wall = 0, kilobytes = 0] = (await readFile(file, "utf8")).trim().split("\n").at(-1)?.split(" ").map(Number) ?? [];
  return { wall, rss: kilobytes / 1024 };
}

interface Row { readonly store: string; readonly what: string; readonly wall: number; readonly rss: number }

async function series(folder: string, env: Record<string, string>, store: string, what: string, args: readonly string[], times: number): Promise<Row> {
  const measured: { wall: number; rss: number }[] = [];
  for (let run = 0; run < times; run += 1) measured.push(await measure(folder, env, [...args, "--json"]));
  const walls = measured.map(({ wall }) => wall).sort((a, b) => a - b);
  const row = { store, what: `${args.join(" ")}, ${what}`, wall: walls[Math.floor(walls.length / 2)] ?? Number.NaN, rss: Math.max(...measured.map(({ rss }) => rss)) };
  process.stderr.write(`${store}, ${row.what}: ${row.wall} s, ${row.rss.toFixed(0)} MB\n`);
  return row;
}

async function timed<T>(work: () => Promise<T>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function benchmark(name: string, folder: string, env: Record<string, string>, repository: Repository, signer: Signer): Promise<Row[]> {
  const { store } = repository;
  await fill(store, signer);
  const list = ["backup", "list"];
  const prune = ["backup", "prune", "--dry-run"];
  const without = [await series(folder, env, name, "without an index", list, 1), await series(folder, env, name, "without an index", prune, 1)];
  const build = await timed(() => refreshIndex(repository, "ehr", signer));
  const withIndex = [await series(folder, env, name, "with the index", list, runs), await series(folder, env, name, "with the index", prune, runs)];
  const index = (await store.head(indexKey("ehr")))?.bytes ?? 0;
  const refresh = await timed(() => refreshIndex(repository, "ehr", signer));
  process.stderr.write(`${name}: the index has ${(index / 1e6).toFixed(1)} MB, made in ${build.toFixed(1)} s, looked through in ${refresh.toFixed(1)} s\n`);
  return [...without, ...withIndex, { store: name, what: `making the index, ${(index / 1e6).toFixed(1)} MB`, wall: build, rss: Number.NaN }, { store: name, what: "finding it true", wall: refresh, rss: Number.NaN }];
}

function report(rows: readonly Row[]): string {
  const lines = rows.map(({ store, what, wall, rss }) => `| ${store} | ${what} | ${wall.toFixed(1)} s | ${Number.isNaN(rss) ? "-" : `${rss.toFixed(0)} MB`} |`);
  return `## Many backups

${new Date().toISOString().slice(0, 10)}, ${backups} backups of one database with ${flags.tables} tables and ${parts.length} parts each: ${backups * 9} objects. Each command with \`--json\`, a process each; Ceph RADOS
gateway on loopback (memory store), on the same cores. Made by \`npm run build && node scripts/benchmark-catalog.ts --backups ${backups}\`.

| repository | | wall | peak RSS |
|---|---|---|---|
${lines.join("\n")}
`;
}

async function run(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const ceph = join(root, "test", "harness", "ceph");
  const cephFolder = join(folder, "s3");
  await mkdir(cephFolder);
  const keys = await generateKeys(join(folder, "keys"));
  const signer = loadSigner(await readFile(keys.files.signingKey, "utf8"), "the benchmark");
  const trusted = loadTrustedSigners(signer.publicKeyPem, "the benchmark");
  try {
    await execa("bash", [join(ceph, "install.sh")], { stdio: "inherit" });
    await execa("bash", [join(ceph, "start.sh"), cephFolder, String(port), String(port + 1)], { env: { S3_ACCESS_KEY: credentials.accessKeyId, S3_SECRET_KEY: credentials.secretAccessKey }, stdio: "inherit" });
    const bucket = `s3://bench/holdfast?endpoint=http://127.0.0.1:${port}&path-style=true&region=us-east-1`;
    const aws = { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey, AWS_DEFAULT_REGION: "us-east-1", AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` };
    await execa("aws", ["s3", "mb", "s3://bench"], { env: aws, stdio: "ignore" });
    const rows: Row[] = [];
    for (const [name, url] of [["a folder", `file://${join(folder, "repository")}`], ["Ceph S3", bucket]] as const) {
      if (flags.store !== "both" && (flags.store === "folder") !== url.startsWith("file:")) continue;
      const store = await openStore(url, { credentials });
      await initRepository(store, new Date());
      const repository = await openRepository(store, trusted);
      const env = {
        PATH: `${join(root, "node_modules", ".bin")}:${process.env["PATH"] ?? ""}`, DATABASE_URL: "postgresql:///ehr", HOLDFAST_DATABASE: "ehr", HOLDFAST_REPOSITORY: url, HOLDFAST_RECIPIENTS: keys.recipient,
        HOLDFAST_SIGNING_KEY_FILE: keys.files.signingKey, HOLDFAST_STATE_DIR: join(folder, "state"), HOLDFAST_RETENTION_DAILY: "31", HOLDFAST_RETENTION_MONTHLY: "24", ...aws,
      };
      rows.push(...(await benchmark(name, folder, env, repository, signer)));
      await store.close();
    }
    const page = join(root, "docs", "benchmarks.md");
    const before = (await readFile(page, "utf8")).replace(/\n## Many backups\n[\s\S]*?(?=\n## |$)/, "");
    if (flags.store === "both") await writeFile(page, `${before.trimEnd()}\n\n${report(rows)}`);
    process.stdout.write(report(rows));
  } finally {
    await execa("bash", [join(ceph, "stop.sh"), cephFolder], { reject: false });
    await rm(folder, { recursive: true, force: true });
  }
}

await run();
