/** What a copied repository knows: the source is destroyed, and from the copy alone it is known what was held, proved and deployed, and the way back is open. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import type { RecordCounts } from "../../src/app/repository/copy-records.ts";
import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import type { CheckReport } from "../../src/app/repository/findings.ts";
import { contextOf } from "../faults/scene.ts";
import { columns, databasePlace, type DatabasePlace, renaming, way } from "../harness/database-rollbacks.ts";
import { drill } from "../harness/drills.ts";
import { dropDatabase, withSession } from "../harness/postgres.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";

interface Known {
  readonly place: DatabasePlace;
  readonly held: string;
  readonly checkpoint: string;
  readonly drill: string;
  readonly rollback: string;
}

/** A repository that knows much: two deploys, one of them taken back, its safety backup and another one held, and a drill. */
async function known(): Promise<Known> {
  const place = await databasePlace();
  await place.deploys("1.1.0", "1.0.0", { ...renaming, down: "ALTER TABLE patients RENAME COLUMN full_name TO name;" });
  const { rollback } = (await place.ok(...way(place), "--reason", "rehearsing it for real", "--json")).json<{ rollback: string }>();
  const checkpoint = await place.deploys("2.0.0", "1.0.0", { name: "20260203000000_title", sql: "ALTER TABLE patients RENAME COLUMN name TO title;" });
  await place.sql("INSERT INTO patients (title) VALUES ('in between');\n");
  const [{ id: held } = { id: "" }] = (await place.ok("backup", "list", "--json")).json<{ id: string }[]>();
  await place.ok("backup", "hold", held, "--reason", "litigation 17");
  const { context } = await contextOf(place);
  const { evidence, error } = await drill({ context, folder: place.folder }, { settings: {} });
  expect([evidence.verdict, error]).toEqual(["pass", undefined]);
  return { place, held, checkpoint, drill: evidence.id, rollback };
}

/** Where the copy lies: a bucket where there is one. */
async function copyOf(place: DatabasePlace): Promise<string> {
  if (s3Missing() !== undefined) return `file://${place.folder}/copy`;
  const server = await s3Server();
  const { accessKeyId, secretAccessKey } = server.credentials;
  Object.assign(place.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
  return server.location(await server.createBucket(), "copy");
}

test("the source is destroyed, and the copy alone knows what was held, proved and deployed, and leads back", async () => {
  const { place, held, checkpoint, drill: proved, rollback } = await known();
  const to = await copyOf(place);
  const copied = (await place.ok("repository", "copy", "--to", to, "--json")).json<{ records: RecordCounts; copied: object[] }>();
  expect(copied.records).toMatchObject({ holds: { copied: 2 }, checkpoints: { copied: 2 }, drills: { copied: 1 }, incidents: { copied: 1 }, rollbacks: { copied: 1 }, runbooks: { copied: 0 } });
  const again = await place.ok("repository", "copy", "--to", to);
  expect(again.stdout).toMatch(/records copied: none; there before: 2 holds, 2 checkpoints, 1 drill, 1 incident, 1 rollback/);
  // On to a third place: everything comes from the copy.
  await place.ok("repository", "copy", "--from", to, "--to", `file://${place.folder}/third`);

  await rm(join(place.folder, "repository"), { recursive: true });
  await rm(place.env["HOLDFAST_STATE_DIR"]!, { recursive: true });
  for (const from of [to, `file://${place.folder}/third`]) {
    const look = async <T>(...args: string[]): Promise<T> => (await place.ok(...args, "--from", from, "--json")).json<T>();
    const report = await look<CheckReport>("repository", "check", "--level", "hash");
    expect(report.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
    expect(report.checked).toMatchObject({ backups: copied.copied.length, drills: 1 });
    expect(await look("audit", "verify")).toMatchObject({ origin: { problems: [] }, records: { holds: 2, checkpoints: 2, rollbacks: 1, incidents: 1, problems: [] }, drills: { proven: 1, problems: [] } });
  }
  place.env["HOLDFAST_FROM"] = to;
  expect((await place.ok("checkpoint", "list", "--json")).json<{ id: string }[]>().map(({ id }) => id)).toContain(checkpoint);
  expect((await place.ok("drill", "list", "--json")).json()).toMatchObject([{ id: proved }]);
  expect((await place.ok("rollback", "list", "--json")).json()).toMatchObject([{ id: rollback, state: "done" }]);
  expect((await place.ok("audit", "show", "--origin", "--json")).json<{ action: string }[]>().map(({ action }) => action)).toContain("backup hold");
  const plan = (await place.ok("rollback", "plan", "--to", "1.0.0", "--json")).json<RollbackPlan>();
  expect(plan).toMatchObject({ to: "1.0.0", strategy: "restore-and-swap", checkpoint: { id: checkpoint } });
  expect(plan.preflight.filter(({ outcome }) => outcome === "blocked")).toEqual([]);
  const beside = `${place.name}_beside`;
  onTestFinished(() => dropDatabase(beside));
  await place.ok("restore", plan.checkpoint.backup, "--into", beside);
  expect(await withSession(beside, (session) => session.row("SELECT count(*)::int AS n FROM public.patients"))).toEqual({ n: 4 });
  Reflect.deleteProperty(place.env, "HOLDFAST_FROM");

  // The hold holds at the copy: it is not shredded there, nor removed.
  place.env["HOLDFAST_REPOSITORY"] = to;
  const shred = await place.run("backup", "shred", held, "--reason", "an attacker", "--confirm", held);
  expect([shred.code, shred.stderr]).toEqual([19, expect.stringContaining("litigation 17")]);
  await place.ok(...way(place), "--reason", "from the copy");
  expect(await columns(place)).toMatchObject({ rows: 4 });
  await place.ok("repository", "check");
}, 900_000);
