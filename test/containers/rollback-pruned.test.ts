/** Images that were pruned since the checkpoint: refused by the whole command before anything is touched; and pins that nobody needs. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import type { PlatformState } from "../../src/rollback/platform/platform.ts";
import { composePlatform } from "../../src/rollback/platform/compose/compose-platform.ts";
import { composeApp, sweepApps } from "../harness/compose-app.ts";
import { docker } from "../harness/containers.ts";
import { hasImage, ownImages, pruneOwn, removeHolders } from "../harness/own-images.ts";
import { databasesOf, patientsOf, rollingBack, type RollingBack } from "../harness/rolling-back.ts";

beforeAll(sweepApps);

/** Everything that a rollback could touch: containers, databases, rows, and the repository but for the record of what was tried. */
async function untouched(here: RollingBack): Promise<unknown> {
  const containers = (await Promise.all(["app", "worker", "db"].map((service) => here.app.containers(service)))).flat();
  const objects = (await readdir(join(here.folder, "repository"), { recursive: true })).filter((name) => !/(^|\/)(timeline|locks)(\/|$)/.test(name)).sort();
  return { containers: containers.map(({ id, startedAt, running }) => [id, startedAt, running]), databases: await databasesOf(here), patients: await patientsOf(here), objects };
}

test("a pinned image outlives the prunes and is rolled back to; one that was removed refuses the rollback, which says what brings it back", async () => {
  const image = await ownImages(["1.4.1", "1.4.2"]);
  const here = await rollingBack({ image });
  const id = await here.app.imageId("1.4.1");
  const archive = join(here.folder, "app.tar");
  await docker("save", "--output", archive, `${image}:1.4.1`);
  await here.deployAfterCheckpoint("1.4.2");
  await here.app.answers(200);
  // The reference is used up by another build, as `latest` is.
  await docker("tag", `${image}:1.4.2`, `${image}:1.4.1`);
  await pruneOwn(image);
  await pruneOwn(image, "--all");
  expect(await hasImage(id)).toBe(true);
  const well = (await here.ok("rollback", "plan", "--to", "1.4.1", "--json")).json<RollbackPlan>();
  expect(well.preflight.find((finding) => finding.id === "images")).toMatchObject({ outcome: "ok" });

  // As `docker system prune --all` does it: containers that do not run first, then every image that no container uses.
  await removeHolders(here.app);
  await pruneOwn(image, "--all");
  expect(await hasImage(id)).toBe(false);
  const before = await untouched(here);
  const gone = `the image ${id} of app (${image}:1.4.1) is not on this engine any more`;
  const planned = await here.ok("rollback", "plan", "--to", "1.4.1", "--json", "--out", "plan.json");
  expect(planned.json<RollbackPlan>().preflight.filter(({ outcome }) => outcome === "blocked")).toMatchObject([{ id: "images", detail: expect.stringContaining(gone) as string }, { id: "images", detail: expect.stringContaining("of worker") as string }]);
  expect((await here.ok("rollback", "plan", "--to", "1.4.1")).stdout).toMatch(/BLOCKED[^]*this plan would be REFUSED/);
  for (const which of [["--to", "1.4.1"], ["--plan", "plan.json"]]) {
    const refused = await here.run("rollback", ...which, "--confirm", here.app.project);
    expect([refused.code, refused.stderr]).toEqual([19, expect.stringContaining(gone)]);
    expect(refused.stderr).toMatch(/→ .*`docker load`.*\n[^]*→ Nothing was changed\./);
  }
  expect((await here.ok("rollback", "list", "--json")).json()).toEqual([]);
  expect((await here.ok("incident", "list", "--json")).json()).toEqual([]);
  expect(await untouched(here)).toEqual(before);

  // What the hint says is enough.
  await docker("load", "--input", archive);
  const result = (await here.ok("rollback", "--to", "1.4.1", "--confirm", here.app.project, "--json")).json<RollbackResult>();
  expect(result.outcome).toBe("done");
  expect([...new Set([...(await here.app.containers("app")), ...(await here.app.containers("worker"))].map((one) => one.image))]).toEqual([id]);
}, 300_000);

test("the pins of old checkpoints are given up; those that a checkpoint which counts relies on, and images that are used, never are", async () => {
  const image = await ownImages(["1.4.1", "1.4.2"]);
  const app = await composeApp({ image });
  const never = new AbortController().signal;
  const platform = composePlatform(app.settings);
  await app.deploy("1.4.1");
  const older = await app.imageId("1.4.1");
  const pinned = async (checkpoint: string): Promise<{ checkpoint: string; state: PlatformState }> => ({ checkpoint, state: await platform.pin(await platform.capture(never), checkpoint, never) });
  const first = await pinned("1.4.2-20260101T000000Z");
  const second = await pinned("1.4.3-20260201T000000Z");
  await app.deploy("1.4.2");
  const third = await pinned("1.4.4-20260801T000000Z");
  const tagsOf = ({ state }: { state: PlatformState }): string[] => state.workloads.flatMap(({ images }) => images.map((one) => one.pinned!));
  const present = async (): Promise<{ tags: string[]; holders: string[] }> => ({
    tags: (await docker("images", "--format", "{{.Repository}}:{{.Tag}}", `holdfast-checkpoint/${app.project}/*`)).split("\n").filter((line) => line !== "").sort(),
    holders: (await docker("ps", "--all", "--format", "{{.Names}}", "--filter", `label=holdfast.project=${app.project}`)).split("\n").filter((line) => line !== "").sort(),
  });
  const of = (...all: readonly { state: PlatformState }[]): { tags: string[]; holders: string[] } => {
    const tags = all.flatMap(tagsOf).sort();
    return { tags, holders: tags.map((tag) => tag.replaceAll(/[/:]/g, "_")).sort() };
  };
  expect(await present()).toEqual(of(first, second, third));

  // The second one counts and has its own pins, so the first one's can go, and its image stays for the second.
  const released = await platform.unpin([first], [second, third], never);
  expect([[...released.released], released.failed]).toEqual([[[first.checkpoint, tagsOf(first)]], []]);
  expect(await present()).toEqual(of(second, third));
  expect((await platform.unpin([first], [second, third], never)).released.size).toBe(0);

  // One that counts has lost its own pin: then the others' keep the image for it.
  const again = await platform.pin({ ...first.state }, first.checkpoint, never);
  await docker("rm", ...of(second).holders);
  expect((await platform.unpin([{ ...first, state: again }], [second, third], never)).released.size).toBe(0);
  await docker("tag", `${image}:1.4.2`, `${image}:1.4.1`);
  await pruneOwn(image, "--all");
  expect(await hasImage(older)).toBe(true);

  // A record that names what is not its own pin is not believed.
  const lying = { checkpoint: "9-20260101T000000Z", state: third.state };
  expect((await platform.unpin([lying], [], never)).released.size).toBe(0);

  // Nobody needs them any more: what nothing else has kept goes with its last pin, and what runs stays.
  const last = await platform.unpin([first, second, third], [], never);
  expect(last.failed).toEqual([]);
  expect((await present()).holders).toEqual([]);
  expect(await hasImage(older)).toBe(false);
  expect((await app.containers("app")).map(({ running, image: runs }) => [running, runs])).toEqual([[true, await app.imageId("1.4.2")]]);
  expect(await hasImage(`${image}:1.4.2`)).toBe(true);
}, 240_000);
