/** A prune that is killed at each of its steps: what is listed afterwards is whole, and a later prune ends the work. */
import { execa } from "execa";
import { cp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { pruneBackups } from "../../src/app/backup/prune-backups.ts";
import { listDatabaseBackups } from "../../src/app/backup/show-backups.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import { history, retentionOf } from "../harness/backups.ts";
import { bench } from "../harness/context.ts";
import { peopleDatabase } from "../harness/databases.ts";
import { expectRepaired } from "../harness/repairs.ts";
import { urlOf } from "../harness/postgres.ts";

const day = 86_400_000;
const database = peopleDatabase();
const [program, killer] = [join(import.meta.dirname, "..", "..", "bin", "dev.js"), join(import.meta.dirname, "..", "fixtures", "kill-at.ts")];


test("killed at any step, a prune leaves whole backups and invisible garbage; the next one ends its work", async () => {
  const on = await bench(urlOf(database), { database: { retention: retentionOf({ keepLast: 1 }) } });
  const ids = await history(on, [1 * day, 200 * day, 201 * day]);
  const repository = join(on.folder, "repository");
  const { config } = on.context;

  /** In a copy of the repository, up to the step. @returns whether the run was killed before its end, and what is there then */
  const killedAt = async (step: number): Promise<{ killed: boolean; listed: string[]; step: number }> => {
    const place = join(on.folder, `at-${step}`);
    await cp(repository, join(place, "repository"), { recursive: true });
    const url = `file://${join(place, "repository")}`;
    const env = {
      PATH: process.env["PATH"], HOME: place, DATABASE_URL: urlOf(database), HOLDFAST_DATABASE: "ehr", HOLDFAST_REPOSITORY: url, HOLDFAST_RECIPIENTS: config.recipients.join(","),
      HOLDFAST_SIGNING_KEY_FILE: config.signingKeyFile, HOLDFAST_STATE_DIR: join(place, "state"), HOLDFAST_RETENTION_KEEP_LAST: "1", HOLDFAST_RETENTION_MINIMUM_COUNT: "1",
      NODE_OPTIONS: `--import=${killer}`, KILL_AT: String(step), KILL_BELOW: join(place, "repository"),
    };
    const { exitCode, signal, stderr } = await execa(process.execPath, [program, "backup", "prune"], { env, extendEnv: false, cwd: place, reject: false, stdin: "ignore" });
    expect([exitCode, signal], stderr).toContainEqual(signal === undefined ? 0 : "SIGKILL");

    const there = on.with({ config: { ...config, repository: { url }, stateDir: join(place, "state") } });
    const listed = (await listDatabaseBackups(there.context)).map(({ id }) => id);
    const verdicts = await verifyBackups(there.context, { choice: "all", level: "hash" });
    expect(verdicts.map(({ id, ok }) => [id, ok]), `killed at step ${step}`).toEqual(listed.map((id) => [id, true]));
    expect(listed[0]).toBe(ids[0]);

    // The killed run's lease would have to run out.
    await rm(join(place, "repository", "ehr", "locks"), { recursive: true, force: true });
    if (listed.length > 0) await expectRepaired(there.context, `killed at step ${step}`);
    expect((await listDatabaseBackups(there.context)).map(({ id }) => id)).toEqual(listed);
    await pruneBackups(there.context, { dryRun: false });
    expect((await listDatabaseBackups(there.context)).map(({ id }) => id)).toEqual([ids[0]]);
    await rm(place, { recursive: true });
    return { killed: signal === "SIGKILL", listed, step };
  };

  const outcomes: Awaited<ReturnType<typeof killedAt>>[] = [];
  for (let step = 1; outcomes.every(({ killed }) => killed); step += 2) outcomes.push(...await Promise.all([killedAt(step), killedAt(step + 1)]));
  // Each state on the way was seen: all there, one gone, both gone, and the files of each in between.
  expect([...new Set(outcomes.map(({ listed }) => listed.length))]).toEqual([3, 2, 1]);
  const files = (await readdir(join(repository, "ehr", "backups", ids[1]!))).length;
  expect(outcomes.filter(({ killed }) => killed).length).toBeGreaterThanOrEqual(2 * files + 3);
}, 400_000);
