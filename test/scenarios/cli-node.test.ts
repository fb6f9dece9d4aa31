/** The starter under a Node that is too old: it runs the bundled one, hands signals on, or says what is needed. */
import { execa } from "execa";
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";

/** This Node, telling the starter that it is version 20. */
const old = ["--import", `data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})`];

/** An installation whose program says which signals it gets, and ends at SIGTERM with 130. */
async function installation(options: { bundled: boolean }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "bin"));
  await mkdir(join(folder, "dist/src/cli"), { recursive: true });
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  await copyFile(join(import.meta.dirname, "../../bin/run.js"), join(folder, "bin/run.js"));
  await writeFile(
    join(folder, "dist/src/cli/main.js"),
    `export async function main(argv) {
       if (argv[0] === "die") process.kill(process.pid, "SIGKILL");
       for (const name of ["SIGINT", "SIGHUP", "SIGTERM"]) process.on(name, () => { console.log(name); if (name === "SIGTERM") process.exit(130); });
       console.log("node", process.versions.node, process.env.HOLDFAST_NODE_TRIED ?? "clean", ...argv);
       if (argv[0] === "wait") setInterval(() => undefined, 1e6);
     }`,
  );
  if (options.bundled) {
    await mkdir(join(folder, "node_modules/node/bin"), { recursive: true });
    await symlink(process.execPath, join(folder, "node_modules/node/bin/node"));
  }
  return folder;
}

const start = (folder: string, ...args: string[]) => execa(process.execPath, [...old, join(folder, "bin/run.js"), ...args], { reject: false, env: { NODE_OPTIONS: "" } });

test("an old Node runs the bundled one with the same arguments", async () => {
  const { exitCode, stdout } = await start(await installation({ bundled: true }), "backup", "--label", "two words");
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `node ${process.versions.node} clean backup --label two words` });
});

test("signals are handed on, and the exit code handed back", async () => {
  const cli = start(await installation({ bundled: true }), "wait");
  const heard: string[] = [];
  for await (const line of createInterface({ input: cli.stdout })) {
    heard.push(line);
    const next = ["SIGINT", "SIGHUP", "SIGTERM"][heard.length - 1];
    if (next !== undefined) cli.kill(next as NodeJS.Signals);
  }
  expect(heard.slice(1)).toEqual(["SIGINT", "SIGHUP", "SIGTERM"]);
  expect((await cli).exitCode).toBe(130);
});

test("a bundled Node that was killed gives the exit code that shells give", async () => {
  expect((await start(await installation({ bundled: true }), "die")).exitCode).toBe(137);
});

test("without a bundled Node the message says which one is needed, and the exit code is that of a wrong configuration", async () => {
  const folder = await installation({ bundled: false });
  const person = await start(folder, "backup");
  expect(person).toMatchObject({ exitCode: 10, stdout: "" });
  expect(person.stderr).toBe("error: holdfast needs Node 22.22 or newer, but this is Node 20.20.2\n  → Install a current Node, or run `npm ci` in holdfast's folder, which brings one along.\n(exit 10: configuration missing or wrong)");
  const script = await start(folder, "backup", "--json");
  expect(script).toMatchObject({ exitCode: 10, stderr: "" });
  expect(JSON.parse(script.stdout)).toMatchObject({ error: { code: "configuration", message: "holdfast needs Node 22.22 or newer, but this is Node 20.20.2" } });
});
