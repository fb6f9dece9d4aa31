import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { chooseClient, type Client, type ClientSearch, findClients } from "../../../src/postgres/tools.ts";

const programs = ["psql", "pg_dump", "pg_dumpall", "pg_restore"];

async function machine(): Promise<{ root: string; folder: (path: string, pgDump: string | undefined, others?: readonly string[]) => Promise<string>; search: (path?: string[]) => ClientSearch }> {
  const root = await mkdtemp(join(tmpdir(), "holdfast-clients-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return {
    root,
    /** A folder with programs that say what `pgDump`, a shell script, says; without it the folder has no pg_dump. */
    folder: async (path, pgDump, others = programs) => {
      const folder = join(root, path);
      await mkdir(folder, { recursive: true });
      for (const name of others) if (name !== "pg_dump" || pgDump !== undefined) await writeFile(join(folder, name), `#!/bin/sh\n${pgDump ?? ""}\n`, { mode: 0o755 });
      return folder;
    },
    search: (path = []) => ({ path: path.join(":"), places: { versioned: [join(root, "lib/postgresql")], named: [join(root, "opt")] } }),
  };
}

const saying = (version: string): string => `echo 'pg_dump (PostgreSQL) ${version}'`;
const versions = (clients: readonly Client[]): string[] => clients.map(({ version }) => version);
const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);

test("clients are found in PATH, in versioned folders and in Homebrew's, newest first by number", async () => {
  const { folder, search } = await machine();
  const inPath = await folder("bin", saying("9.6.24"));
  await folder("lib/postgresql/15/bin", saying("15.18 (Debian 15.18-0+deb12u1)"));
  await folder("lib/postgresql/16/bin", saying("16.9"));
  await folder("opt/postgresql@17/bin", saying("17.2 (Homebrew)"));
  await folder("opt/libpq/bin", saying("18.1"));
  await folder("opt/pgsql-14/bin", saying("14.20"));
  await folder("opt/postgresql-extras/bin", saying("19.0"));
  const clients = await findClients(search([inPath]));
  expect(versions(clients)).toEqual(["18.1", "17.2", "16.9", "15.18", "14.20", "9.6.24"]);
  expect(clients.map(({ major }) => major)).toEqual([18, 17, 16, 15, 14, 9]);
  expect(clients[5]!.command("psql")).toEqual([join(inPath, "psql")]);
  expect(clients[5]!.inContainer).toBe(false);
});

test("minor versions are compared as numbers", async () => {
  const { folder, search } = await machine();
  expect(versions(await findClients(search([await folder("a", saying("15.9")), await folder("b", saying("15.18"))])))).toEqual(["15.18", "15.9"]);
});

test("a folder that is reached twice, by a link or twice in PATH, counts once", async () => {
  const { root, folder, search } = await machine();
  const real = await folder("lib/postgresql/15/bin", saying("15.18"));
  await symlink(real, join(root, "link"));
  expect((await findClients(search([real, join(root, "link"), real, "", "relative/bin"]))).map(({ origin }) => origin)).toEqual([real]);
});

test.each([
  ["fails", "exit 1"],
  ["prints no version", "echo hello"],
  ["prints a version that is none", "echo 'pg_dump (PostgreSQL) devel'"],
  ["prints nothing", ""],
  ["is no program that this machine runs", "\0\x7fELF"],
])("a client whose pg_dump %s is passed over", async (_, script) => {
  const { folder, search } = await machine();
  const good = await folder("good", saying("15.18"));
  expect(versions(await findClients(search([await folder("broken", script), good])))).toEqual(["15.18"]);
});

test("a client that hangs is passed over, with whatever it started", async () => {
  const { folder, search } = await machine();
  const good = await folder("good", saying("15.18"));
  expect(versions(await findClients(search([await folder("hangs", "exec sleep 60"), good])))).toEqual(["15.18"]);
});

test.each(programs)("a folder without %s is no set of clients", async (missing) => {
  const { folder, search } = await machine();
  const good = await folder("good", saying("15.18"));
  const half = await folder("half", missing === "pg_dump" ? undefined : saying("17.2"), programs.filter((name) => name !== missing));
  expect(versions(await findClients(search([half, good])))).toEqual(["15.18"]);
});

test("a program that may not be executed is not there", async () => {
  const { folder, search } = await machine();
  const half = await folder("half", saying("17.2"));
  await chmod(join(half, "pg_restore"), 0o644);
  expect(await caught(findClients(search([half])))).toMatchObject({ code: "configuration" });
});

test("Debian's wrapper, which runs another version for each server, is not a client", async () => {
  const { root, folder, search } = await machine();
  const real = await folder("lib/postgresql/15/bin", saying("15.18"));
  await folder("share", undefined, []);
  await writeFile(join(root, "share/pg_wrapper"), `#!/bin/sh\n${saying("17.2")}\n`, { mode: 0o755 });
  await mkdir(join(root, "bin"));
  for (const name of programs) await symlink("../share/pg_wrapper", join(root, "bin", name));
  expect((await findClients(search([join(root, "bin")]))).map(({ origin }) => origin)).toEqual([real]);
});

test("HOLDFAST_PG_BIN is the only place that is looked at", async () => {
  const { folder, search, root } = await machine();
  await folder("lib/postgresql/17/bin", saying("17.2"));
  const chosen = await folder("chosen", saying("15.18"));
  expect((await findClients({ ...search(), pgBin: chosen })).map(({ origin }) => origin)).toEqual([chosen]);
  expect(await caught(findClients({ ...search(), pgBin: join(root, "nothing") }))).toMatchObject({
    code: "configuration",
    message: `no PostgreSQL client programs in ${join(root, "nothing")}`,
    hints: ["HOLDFAST_PG_BIN must name a folder that holds psql, pg_dump, pg_dumpall, pg_restore."],
  });
});

test("a machine without any client is told how to get one", async () => {
  const { search } = await machine();
  expect(await caught(findClients(search()))).toMatchObject({ code: "configuration", hints: [expect.stringContaining("apt-get install postgresql-client") as string, expect.stringContaining("docker exec NAME") as string] });
});

const client = (version: string): Client => ({ version, major: Number.parseInt(version, 10), origin: `/${version}`, inContainer: false, command: (tool) => [tool] });

test("the newest client is chosen for a server that is as old or older", () => {
  const clients = [client("17.2"), client("15.18")];
  for (const server of [12, 15, 16, 17]) expect(chooseClient(clients, server).version).toBe("17.2");
});

test("a server newer than every client is refused, with the package to install", () => {
  let error: unknown;
  try {
    chooseClient([client("15.18"), client("13.1")], 16);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({
    code: "configuration",
    message: "the server is PostgreSQL 16, but the newest client is older: 15.18 in /15.18, 13.1 in /13.1",
    hints: [expect.stringContaining("postgresql-client-16") as string],
  });
});
