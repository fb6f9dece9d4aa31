/** Which checkpoints a new one gives the pins of up, and that it never fails for it. What an engine makes of that has a test of its own. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { type Context, openWorkplace, requireSigner } from "../../../src/app/context.ts";
import { HoldfastError } from "../../../src/errors.ts";
import type { Event } from "../../../src/ports.ts";
import { publishCheckpoint } from "../../../src/rollback/checkpoint/records.ts";
import type { CheckpointPins, Unpinned } from "../../../src/rollback/platform/platform.ts";
import { deployment, type Deployment } from "../../harness/checkpoints.ts";
import { checkpointOf } from "../../unit/rollback/checkpoint-fixture.ts";

const day = 86_400_000;

/** Publishes checkpoints as many days old as said, each with pins; one of `elsewhere` is of another project. @returns their ids by age */
async function publishOld({ on: { context }, platform }: Deployment, ages: readonly number[], elsewhere: readonly number[] = []): Promise<Map<number, string>> {
  const workplace = await openWorkplace(context);
  const signer = await requireSigner(context.config, "checkpoint");
  const ids = new Map<number, string>();
  for (const age of ages) {
    const checkpoint = checkpointOf(`0.${1000 - age}`, `0.${999 - age}`, new Date(Date.now() - age * day).toISOString());
    const state = await platform.pin(platform.state, checkpoint.id, context.signal);
    await publishCheckpoint(workplace.repository, { ...checkpoint, signer: signer.id, state: elsewhere.includes(age) ? { ...state, address: { ...state.address, project: "another" } } : state }, signer);
    ids.set(age, checkpoint.id);
  }
  await workplace.close();
  return ids;
}

interface Asked {
  readonly old: readonly string[];
  readonly kept: readonly string[];
}

/** Hears what the platform is asked to give up. */
function listening({ platform }: Deployment, answer: (old: readonly CheckpointPins[]) => Promise<Unpinned>): Asked[] {
  const asked: Asked[] = [];
  platform.unpin = (old, kept) => {
    asked.push({ old: old.map(({ checkpoint }) => checkpoint), kept: kept.map(({ checkpoint }) => checkpoint) });
    return answer(old);
  };
  return asked;
}

const hearing = ({ on }: Deployment): { context: Context; notes: string[] } => {
  const notes: string[] = [];
  const emit = (event: Event): void => { if (event.type === "note") notes.push(`${event.level}: ${event.message}`); };
  return { context: { ...on.context, reporter: { emit } }, notes };
};

test("those that no longer protect their backup are given up and named; the five newest, the young, another place's and those that cannot be trusted are not", async () => {
  const here = await deployment();
  const ids = await publishOld(here, [220, 210, 200, 190, 180, 170, 160, 150, 30], [210]);
  // One that somebody changed is not given up: whether it is ours is for a person to find out.
  await writeFile(join(here.on.folder, "repository", "ehr", "checkpoints", `${ids.get(220)!}.json`), "{}");
  const asked = listening(here, ([first]) => Promise.resolve({ released: new Map([[first!.checkpoint, ["holdfast-checkpoint/ehr/app:1"]]]), failed: ["holdfast-checkpoint/ehr/app:2: the engine is tired"] }));
  const { context, notes } = hearing(here);
  const created = await here.checkpoint({ context });
  // The newest five are the new one and those of 30, 150, 160 and 170 days.
  expect(asked).toEqual([{ old: [180, 190, 200].map((age) => ids.get(age)), kept: [created.id, ...[30, 150, 160, 170].map((age) => ids.get(age))] }]);
  expect(created.released).toEqual([ids.get(180)]);
  expect(notes).toContain(`info: checkpoint ${ids.get(180)!} protects nothing any more, so its images are not kept from being pruned: holdfast-checkpoint/ehr/app:1`);
  expect(notes).toContain("warn: the images of old checkpoints are still kept from being pruned: holdfast-checkpoint/ehr/app:2: the engine is tired");
});

test("nothing is given up while a rollback is under way or may be, and a failure does not fail the checkpoint", async () => {
  const here = await deployment();
  const ids = await publishOld(here, [200, 190, 180, 170, 160, 150]);
  const folder = join(here.on.folder, "repository", "ehr", "rollbacks", "rollback-ehr-20261121T020000Z-7f3a");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "plan.json"), "{}");
  const asked = listening(here, () => Promise.reject(new HoldfastError("configuration", "this host's engine does not answer")));
  expect((await here.checkpoint()).released).toEqual([]);
  expect(asked).toEqual([]);

  await rm(folder, { recursive: true });
  const { context, notes } = hearing(here);
  const created = await here.checkpoint({ context });
  expect(asked).toHaveLength(1);
  expect(asked[0]!.old).toEqual([180, 190, 200].map((age) => ids.get(age)));
  expect(created.released).toEqual([]);
  expect(notes).toContain("warn: the images of old checkpoints are still kept from being pruned: this host's engine does not answer");
});
