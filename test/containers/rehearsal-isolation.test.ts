/** The verifiers of a rehearsal's isolation, on an engine where it does not hold: each breach is found. */
import { execa } from "execa";
import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";

import { checkEgress } from "../../src/rollback/rehearsal/compose/egress.ts";
import { type Engine, engineAt, findRehearsals, makeNetwork, removeRehearsal } from "../../src/rollback/rehearsal/compose/engine.ts";
import { rehearsalLabel } from "../../src/rollback/rehearsal/mark.ts";
import { checkContainers, checkNetwork } from "../../src/rollback/rehearsal/compose/isolation.ts";
import { docker, image, label } from "../harness/containers.ts";

const engine = engineAt(["docker"]);
const newName = (): string => `holdfast-rehearsal-${process.pid}-0-${randomBytes(4).toString("hex")}`;

async function network(...options: string[]): Promise<string> {
  const name = newName();
  onTestFinished(async () => { await execa("docker", ["network", "rm", name], { reject: false }); });
  await docker("network", "create", ...options, name);
  return name;
}

/** A container with busybox, and PostgreSQL listening in it. */
async function container(on: string, ...options: string[]): Promise<string> {
  const name = `holdfast-test-${randomBytes(4).toString("hex")}`;
  onTestFinished(async () => { await execa("docker", ["rm", "-f", "-v", name], { reject: false }); });
  await docker("run", "-d", "--name", name, "--label", label, "--network", on, "-e", "POSTGRES_PASSWORD=unknown", "--expose", "5432", ...options, image);
  await expect.poll(async () => (await execa("docker", ["exec", name, "pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres"], { reject: false })).exitCode, { timeout: 60_000 }).toBe(0);
  return name;
}

const trialOf = (from: string, project: string) => ({ from, project, control: { what: "the copy", host: from, port: 5432 }, forbidden: [] });

test("from the network of a rehearsal nothing can be reached: not this host, not another bridge, not what listens in production", async () => {
  const project = newName();
  onTestFinished(async () => { await removeRehearsal(engine, project); });
  await makeNetwork(engine, project, {});
  const other = await container(await network());
  const from = await container(project, "--dns", "127.0.0.1");
  const address = await docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", other);
  const found = await checkEgress(engine, { ...trialOf(from, project), forbidden: [{ what: "the database in production", host: address, port: 5432 }] });
  expect(found).toMatchObject({ outcome: "pass", detail: expect.stringMatching(/^tried from \S+: the copy can be reached; this host by .* the database in production \(\S+:5432, which answers this host\) cannot$/) as string });
  expect(found.detail).toContain(`the container ${other} (${address}:5432, which answers this host)`);
  expect(await checkNetwork(engine, project, [from])).toMatchObject({ outcome: "pass" });
  expect((await findRehearsals(engine)).map((each) => each.project)).toContain(project);
}, 180_000);

test("an ordinary internal network leads to this host, which is found", async () => {
  const project = await network("--internal");
  const from = await container(project);
  expect(await checkEgress(engine, trialOf(from, project))).toMatchObject({ outcome: "unverified", detail: expect.stringMatching(/^the network leads outside, so nothing was started: this host by /) as string });
}, 120_000);

test("a network that is not internal leads to other containers, which is found", async () => {
  const project = await network();
  const from = await container(project);
  await container("bridge");
  expect(await checkEgress(engine, trialOf(from, project))).toMatchObject({ outcome: "unverified", detail: expect.stringMatching(/can be reached from it$/) as string });
  expect(await checkNetwork(engine, project, [])).toEqual({ outcome: "unverified", detail: `the network ${project} is not apart, so nothing was started: it is not internal; the container ${from} is on it` });
}, 120_000);

test("a trial that does not even reach the copy, or has nothing to try with, proves nothing", async () => {
  const project = newName();
  onTestFinished(async () => { await removeRehearsal(engine, project); });
  await makeNetwork(engine, project, {});
  const from = await container(project);
  expect(await checkEgress(engine, { ...trialOf(from, project), control: { what: "the copy", host: from, port: 5433 } })).toMatchObject({ outcome: "unverified", detail: "the trial does not even reach the copy, so that it reaches nothing else proves nothing" });
  const without: Engine = { ...engine, run: (...args) => (args[0] === "exec" ? engine.run("exec", from, "sh", "-c", "exit 3") : engine.run(...args)) };
  expect(await checkEgress(without, trialOf(from, project))).toMatchObject({ outcome: "unverified", detail: expect.stringContaining("has no program to try it with") as string });
}, 120_000);

test.each([
  ["publishes the port 80/tcp", ["--publish", "127.0.0.1::80"]],
  ["mounts the bind", ["--mount", "type=bind,source=/etc,target=/mnt"]],
  ["mounts the volume", ["--mount", "type=volume,source=VOLUME,target=/mnt"]],
  ["is privileged", ["--privileged"]],
  ["sees processes or memory of others", ["--pid", "host"]],
  ["has the added rights", ["--cap-add", "NET_ADMIN"]],
  ["asks a resolver outside", ["--dns", "9.9.9.9"]],
  ["writes a log by the driver json-file", ["--log-driver", "json-file"]],
  ["knows hosts by name", ["--add-host", "production:192.0.2.7"]],
  ["has devices of this host", ["--device", "/dev/null:/dev/zero2"]],
])("a container that %s is found before it is started", async (problem, options) => {
  const project = newName();
  const volume = `holdfast-test-${randomBytes(4).toString("hex")}`;
  onTestFinished(async () => {
    await removeRehearsal(engine, project);
    await execa("docker", ["volume", "rm", "-f", volume], { reject: false });
  });
  await makeNetwork(engine, project, {});
  const create = (...more: string[]) => docker("create", "--label", `${rehearsalLabel}=${project}`, "--network", project, "--log-driver", "none", "--dns", "127.0.0.1", ...more, image);
  await create();
  expect(await checkContainers(engine, project)).toMatchObject({ outcome: "pass" });
  // Of a resolver given twice Docker keeps both; of a log's driver the last.
  await create(...options.map((option) => option.replace("VOLUME", volume)));
  expect(await checkContainers(engine, project)).toMatchObject({ outcome: "unverified", detail: expect.stringContaining(problem) as string });
  expect(await removeRehearsal(engine, project)).toEqual([]);
});

test("a container on a second network is found, and so is one on none of the rehearsal's", async () => {
  const project = newName();
  onTestFinished(async () => { await removeRehearsal(engine, project); });
  await makeNetwork(engine, project, {});
  const other = await network();
  expect(await checkContainers(engine, project)).toEqual({ outcome: "unverified", detail: "no container was made" });
  const id = await docker("create", "--label", `${rehearsalLabel}=${project}`, "--network", project, "--log-driver", "none", "--dns", "127.0.0.1", image);
  await docker("network", "connect", other, id);
  expect(await checkContainers(engine, project)).toMatchObject({ outcome: "unverified", detail: expect.stringContaining(`is on the network ${other}`) as string });
  await docker("create", "--label", `${rehearsalLabel}=${project}`, "--log-driver", "none", "--dns", "127.0.0.1", image);
  expect(await checkContainers(engine, project)).toMatchObject({ detail: expect.stringContaining(`is not on the network ${project}`) as string });
});

test("what is left of a rehearsal is named where it cannot be removed", async () => {
  const project = newName();
  onTestFinished(async () => { await removeRehearsal(engine, project); });
  await makeNetwork(engine, project, {});
  const stranger = await container(project);
  expect(await removeRehearsal(engine, project)).toEqual([expect.stringMatching(new RegExp(`^network ${project} \\(.*active endpoints`))]);
  await docker("rm", "-f", "-v", stranger);
  expect(await removeRehearsal(engine, project)).toEqual([]);
  expect(await removeRehearsal(engineAt(["false"]), project)).toEqual([expect.stringMatching(/^project .* \(perhaps: /)]);
}, 120_000);
