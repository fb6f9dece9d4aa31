/** FORMAT.md is a promise to somebody without Holdfast: its lines are run here as they stand there, with stock programs only. */
import { execa } from "execa";
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from "vitest";
import { z } from "zod";

import { generateKeys, type GeneratedKeys } from "../../src/app/keys/generate-keys.ts";
import { manifestSchema } from "../../src/catalog/manifest.ts";
import { clinicSql } from "../../src/quickstart/clinic.ts";
import { identifier } from "../../src/postgres/session.ts";
import { holdfast } from "../harness/cli.ts";
import { dropDatabase, runSql, targetOf, urlOf, withSession } from "../harness/postgres.ts";

const page = await readFile(join(import.meta.dirname, "../../src/catalog/FORMAT.md"), "utf8");

function section(title: string): string {
  const [, text] = page.split(`\n## ${title}\n`);
  if (text === undefined) throw new Error(`FORMAT.md has no section ${title}`);
  return text.split("\n## ")[0]!;
}

const recovery = /```sh\n(.*?)```/s.exec(section("Recovery by hand"))![1]!;

const source = `format "source" ${process.pid}`;
let bench: string;
let keys: GeneratedKeys;
let ids: string[];

/** Two backups of one database, so that a part of the one can be put into the other. */
beforeAll(async () => {
  bench = await mkdtemp(join(tmpdir(), "holdfast-format-"));
  keys = await generateKeys(join(bench, "keys"));
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${identifier(source)} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`));
  await runSql(source, clinicSql({ patients: 40 }));
  await runSql(source, `
    DO $$ BEGIN CREATE ROLE "format's ""owner""" NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    ALTER DATABASE ${identifier(source)} OWNER TO "format's ""owner""";
    ALTER DATABASE ${identifier(source)} SET statement_timeout = '7min';
    COMMENT ON DATABASE ${identifier(source)} IS 'it''s ours';
    CREATE MATERIALIZED VIEW counted AS SELECT n FROM generate_series(1, 9) n;
  `);
  const env = {
    DATABASE_URL: urlOf(source),
    HOLDFAST_DATABASE: "ehr",
    HOLDFAST_REPOSITORY: `file://${join(bench, "repository")}`,
    HOLDFAST_RECIPIENTS: keys.recipient,
    HOLDFAST_SIGNING_KEY_FILE: keys.files.signingKey,
    HOLDFAST_STATE_DIR: join(bench, "state"),
  };
  for (const command of [["repository", "init"], ["backup"], ["backup"]]) await holdfast(command, bench, env);
  ids = await readdir(join(bench, "repository", "ehr", "backups"));
});

afterAll(async () => {
  await dropDatabase(source);
  await withSession("postgres", (admin) => admin.execute(`DROP ROLE IF EXISTS "format's ""owner"""`));
  await rm(bench, { recursive: true, force: true });
});

/** A copy of a backup's folder with the two files that the page asks for. */
async function copyOfBackup(): Promise<string> {
  const away = await mkdtemp(join(tmpdir(), "holdfast-recovery-"));
  onTestFinished(() => rm(away, { recursive: true, force: true }));
  const folder = join(away, ids[0]!);
  await cp(folderOf(ids[0]!), folder, { recursive: true });
  await cp(keys.files.trustedSigners, join(folder, "signer.pem"));
  await cp(keys.files.identity, join(folder, "me.txt"));
  return folder;
}

const folderOf = (id: string): string => join(bench, "repository", "ehr", "backups", id);

/** Runs the page's lines; nothing of holdfast is in the environment. */
async function recover(folder: string, database: string, programs = inject("postgres").binaries) {
  onTestFinished(() => dropDatabase(database));
  await writeFile(join(folder, "recover.sh"), recovery);
  return execa("bash", ["recover.sh", database], {
    cwd: folder,
    env: { PATH: `${programs}:${inject("postgres").binaries}:/usr/bin:/bin`, HOME: folder, ...targetOf("postgres").env, PGDATABASE: undefined },
    extendEnv: false,
    reject: false,
    all: true,
  });
}

async function exists(database: string): Promise<boolean> {
  return withSession("postgres", async (admin) => (await admin.rows(`SELECT 1 FROM pg_database WHERE datname = '${database}'`)).length > 0);
}

/** Everything that pg_dump writes, without the one line that is random. */
async function dumpOf(database: string, ...args: string[]): Promise<string> {
  const { binaries } = inject("postgres");
  const { stdout } = await execa(join(binaries, "pg_dump"), args, { env: targetOf(database).env });
  return stdout.replaceAll(/^\\(?:un)?restrict .*$/gm, "");
}

test("the page's own lines bring a backup back with stock programs, equal in schema and contents", async () => {
  const folder = await copyOfBackup();
  const database = `recovered_${process.pid}`;
  const { exitCode, all } = await recover(folder, database);
  expect(exitCode, all).toBe(0);
  expect(all).toContain(`${database} holds the backup ${ids[0]!}`);
  expect(await dumpOf(database, "--schema-only")).toBe(await dumpOf(source, "--schema-only"));
  expect(await dumpOf(database)).toBe(await dumpOf(source));
  const properties = (name: string) =>
    withSession(name, (session) =>
      session.row(`SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, shobj_description(oid, 'pg_database') AS comment,
        (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid AND setrole = 0) AS settings FROM pg_database d WHERE datname = current_database()`),
    );
  expect(await properties(database)).toEqual(await properties(source));
  expect(await properties(database)).toMatchObject({ owner: `format's "owner"`, datcollate: "C", comment: "it's ours" });
});

test("nothing that was opened is left behind when the page's lines end", async () => {
  const folder = await copyOfBackup();
  const before = await readdir(folder);
  await recover(folder, `recovered_tidy_${process.pid}`);
  expect(await readdir(folder)).toEqual([...before, "recover.sh"].sort());
});

const flip = async (path: string, at: number): Promise<void> => {
  const file = await open(path, "r+");
  const { size } = await file.stat();
  const place = Math.floor(at * (size - 1));
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, place);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, place);
  await file.close();
};

const strangers: Record<string, { harm: (folder: string) => Promise<unknown>; says: RegExp }> = {
  "a changed manifest": { harm: async (folder) => { await replace(join(folder, "manifest.json"), '"partial": false', '"partial": true'); }, says: /STOP: manifest.json is not ours/ },
  "a stranger's public key": { harm: async (folder) => { await cp((await generateKeys(join(folder, "..", "other"))).files.trustedSigners, join(folder, "signer.pem")); }, says: /STOP: manifest.json is not ours/ },
  "an unsigned manifest": { harm: (folder) => rm(join(folder, "manifest.json.sig")), says: /STOP: manifest.json is not ours/ },
  "another backup's signed manifest": {
    harm: async (folder) => { for (const file of ["manifest.json", "manifest.json.sig"]) await cp(join(folderOf(ids[1]!), file), join(folder, file)); },
    says: /STOP: the manifest is of another backup/,
  },
  "another backup's signed key.age": {
    harm: async (folder) => { for (const file of ["key.age", "key.age.sig"]) await cp(join(folderOf(ids[1]!), file), join(folder, file)); },
    says: /STOP: key.age is not of this backup/,
  },
  "a changed key.age": { harm: (folder) => flip(join(folder, "key.age"), 0.5), says: /STOP: key.age is not of this backup/ },
  "a flipped byte at the start of the data": { harm: (folder) => flip(join(folder, "data.pgdump.zst.age"), 0), says: /data\.pgdump\.zst\.age: FAILED[^]*STOP: a part is missing/ },
  "a flipped byte in the middle of the roles": { harm: (folder) => flip(join(folder, "globals.sql.zst.age"), 0.5), says: /globals\.sql\.zst\.age: FAILED[^]*STOP: a part is missing/ },
  "a flipped byte at the end of the schema": { harm: (folder) => flip(join(folder, "schema.pgdump.zst.age"), 1), says: /schema\.pgdump\.zst\.age: FAILED[^]*STOP: a part is missing/ },
  "a missing part": { harm: (folder) => rm(join(folder, "data.pgdump.zst.age")), says: /STOP: a part is missing/ },
  "somebody else's identity": { harm: async (folder) => { await cp((await generateKeys(join(folder, "..", "other"))).files.identity, join(folder, "me.txt")); }, says: /STOP: your identity does not open/ },
};

async function replace(path: string, from: string, to: string): Promise<void> {
  const text = await readFile(path, "utf8");
  expect(text).toContain(from);
  await writeFile(path, text.replace(from, to));
}

test.each(Object.entries(strangers))("%s stops the page's lines before anything is made", async (_, { harm, says }) => {
  const folder = await copyOfBackup();
  await harm(folder);
  const database = `recovered_never_${process.pid}`;
  const { exitCode, all } = await recover(folder, database);
  expect(exitCode).not.toBe(0);
  expect(all).toMatch(says);
  expect(await exists(database)).toBe(false);
});

test("a copy that lacks a row is found by the page's last step", async () => {
  const folder = await copyOfBackup();
  const database = `recovered_less_${process.pid}`;
  // psql as ever, except that a row is gone before the tables are counted.
  const programs = join(folder, "..", "bin");
  await mkdir(programs);
  const psql = join(inject("postgres").binaries, "psql");
  const loseRow = "DELETE FROM _prisma_migrations WHERE ctid = (SELECT min(ctid) FROM _prisma_migrations)";
  await writeFile(join(programs, "psql"), `#!/bin/sh\ncase "$*" in *ANALYZE*) ${psql} -X -q -d ${database} -c '${loseRow}' ;; esac\nexec ${psql} "$@"\n`, { mode: 0o755 });
  const { exitCode, all } = await recover(folder, database, programs);
  expect(exitCode).toBe(1);
  expect(all).toMatch(/STOP: public\._prisma_migrations: expected \d+ rows, found \d+/);
});

test("the page has a row for every field of the manifest, and no other", () => {
  const rows = [...section("The manifest").matchAll(/^\| ((?:`\w+`(?:, )?)+) \| (.*) \|$/gm)];
  const fields = rows.flatMap(([, names]) => [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
  expect(fields.toSorted()).toEqual(Object.keys(manifestSchema.shape).toSorted());
  for (const [name, field] of Object.entries(manifestSchema.shape)) {
    const inner = field instanceof z.ZodArray ? field.element : field;
    if (!(inner instanceof z.ZodObject)) continue;
    const meaning = rows.find(([, names]) => names!.includes(`\`${name}\``))![2]!;
    for (const key of Object.keys(inner.shape)) expect(meaning, `${name}.${key}`).toContain(`\`${key}\``);
  }
});

test("the page lists every file of a backup, and no other", async () => {
  const [, listed] = /```\n(<prefix>.*?)```/s.exec(section("What lies where"))!;
  const files = [...listed!.matchAll(/backups\/<id>\/(\S+)/g)].map(([, file]) => file!);
  // The last comes to be with the first rewrap.
  expect([...(await readdir(folderOf(ids[0]!))), "key.json"].toSorted()).toEqual(files.toSorted());
});
