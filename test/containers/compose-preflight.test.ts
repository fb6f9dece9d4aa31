/** What a rollback of a Compose project looks for before it touches anything. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";

import { composePlatform } from "../../src/rollback/platform/compose/compose-platform.ts";
import { composeApp, sweepApps } from "../harness/compose-app.ts";
import { docker } from "../harness/containers.ts";
import { hasImage, ownImages, pruneOwn, removeHolders } from "../harness/own-images.ts";
import { stepBench } from "../harness/steps.ts";
import { asRead, caught, finding, imagesOf, never, startOf } from "./compose-scene.ts";

beforeAll(sweepApps);

test("a pinned image outlives pruning, and one that was pruned is found before anything is touched", async () => {
  const image = await ownImages(["1.4.1", "1.4.2"]);
  const app = await composeApp({ image });
  const platform = composePlatform(app.settings);
  await app.deploy("1.4.1");
  onTestFinished(() => removeHolders(app));
  const captured = await platform.capture(never);
  const id = captured.workloads[0]!.images[0]!.id;
  const target = asRead(await platform.pin(captured, "1.4.2-20261121T020000Z", never));
  expect(await platform.pin(captured, "1.4.2-20261121T020000Z", never)).toEqual(target);
  const pinned = target.workloads.map(({ images }) => images[0]!.pinned!);
  expect(pinned).toEqual(["app", "worker"].map((name) => expect.stringMatching(new RegExp(`^holdfast-checkpoint/holdfast-test-app-.*/${name}:1.4.2-20261121T020000Z$`)) as string));
  await app.deploy("1.4.2");
  // One reference is used up by another build, as `latest` is.
  await docker("tag", `${image}:1.4.2`, `${image}:1.4.1`);
  await pruneOwn(image);
  await pruneOwn(image, "--all");
  const now = await platform.capture(never);
  expect(finding(await platform.preflight(target, now, never), "images")).toMatchObject({ outcome: "ok" });
  const bench = stepBench();
  const step = startOf(platform, target, now);
  await bench.perform(step);
  expect(await imagesOf(app, "app")).toEqual([id]);
  expect(await step.isDone(bench)).toBe(true);
  expect(await app.answers(200)).toMatchObject({ version: "1.4.1" });
  await bench.undo(step);

  // What nothing holds any more is pruned, and said to be.
  await removeHolders(app);
  await pruneOwn(image, "--all");
  expect(await hasImage(id)).toBe(false);
  expect(finding(await platform.preflight(target, now, never), "images")).toMatchObject({ outcome: "blocked", detail: expect.stringContaining(`the image ${id} of app (${image}:1.4.1) is not on this engine any more, nor under ${pinned[0]!}`) as string });
  expect(await caught(bench.perform(step))).toMatchObject({ code: "rollback-failed" });
  expect(await imagesOf(app, "app")).toEqual([await app.imageId("1.4.2")]);
}, 240_000);

test("what stands in the way is found before anything is touched", async () => {
  const app = await composeApp({ appLines: ["hostname: front"] });
  const platform = composePlatform(app.settings);
  const file = join(app.folder, "compose.yaml");
  const environment = join(app.folder, ".env");
  await app.deploy("1.4.1");
  const original = await readFile(file, "utf8");
  const withFlags = original.replaceAll("LOG_LEVEL: info", "LOG_LEVEL: info\n    FLAGS: '{\"beta\": true}'");
  await writeFile(file, withFlags);
  await app.compose("up", "--detach", "--no-deps", "app", "worker");
  const target = asRead(await platform.capture(never));
  const found = async (id: string) => finding(await platform.preflight(target, await platform.capture(never), never), id);
  expect((await platform.preflight(target, target, never)).filter(({ outcome }) => outcome !== "ok")).toEqual([]);

  // A credential that was changed since is taken as it is today; a value that is none has to be found.
  await writeFile(file, original.replaceAll(app.sessionSecret, "rotated-since-then"));
  await app.compose("up", "--detach", "--no-deps", "app", "worker");
  const now = await platform.capture(never);
  expect(await found("secrets")).toEqual({
    id: "secrets",
    title: "the values that are known by their hash are still there",
    outcome: "blocked",
    detail: "nothing of today has: app: environment.FLAGS, worker: environment.FLAGS",
    hint: `Put each former value, under any name, into ${environment}: it is found there by its hash.`,
  });
  const bench = stepBench();
  expect(await caught(bench.perform(startOf(platform, target, now)))).toMatchObject({ code: "rollback-failed", message: "only the hash of these values is known, and nothing of today has them: app: environment.FLAGS, worker: environment.FLAGS" });
  expect(bench.facts.size).toBe(0);
  await writeFile(environment, `${await readFile(environment, "utf8")}FORMER_FLAGS='{"beta": true}'\n`);
  expect(await found("secrets")).toMatchObject({ outcome: "warn", detail: "changed since the checkpoint, and taken as they are today: app: environment.SESSION_SECRET, worker: environment.SESSION_SECRET" });
  await bench.perform(startOf(platform, target, now));
  const front = (await app.containers("app"))[0]!.name;
  expect((await docker("exec", front, "env")).split("\n")).toEqual(expect.arrayContaining(['FLAGS={"beta": true}', "SESSION_SECRET=rotated-since-then", "LOG_LEVEL=info"]));

  await docker("pause", front);
  expect(await found("paused")).toMatchObject({ outcome: "blocked", detail: `paused: ${front}` });
  await docker("unpause", front);
  await docker("create", "--name", `0123456789ab_${app.project}-app-1`, ...Object.entries({ ...(await app.containers("app"))[0]!.labels, "com.docker.compose.replace": "0".repeat(64) }).flatMap(([name, value]) => ["--label", `${name}=${value}`]), "holdfast-test/app:1.4.1");
  expect(await found("unfinished")).toMatchObject({ outcome: "blocked", detail: `made and never started, or being removed: 0123456789ab_${app.project}-app-1` });
  await docker("rm", `0123456789ab_${app.project}-app-1`);
  await docker("run", "--detach", "--name", `${app.project}-by-hand`, "--label", `com.docker.compose.project=${app.project}`, "--label", "com.docker.compose.service=app", "--label", "com.docker.compose.oneoff=True", "--entrypoint", "sleep", "holdfast-test/app:1.4.1", "600");
  expect(await found("one-off")).toMatchObject({ outcome: "warn", detail: expect.stringContaining(`${app.project}-by-hand`) as string });

  const withJob = composePlatform({ ...app.settings, services: ["app", "migrate"] });
  const jobs = await withJob.capture(never);
  expect(finding(await withJob.preflight(jobs, jobs, never), "jobs")).toMatchObject({ outcome: "blocked", detail: "one-shot jobs among the services that are rolled back: migrate" });

  const other = composePlatform({ ...app.settings, services: ["front"] });
  expect(await caught(other.capture(never))).toMatchObject({ code: "configuration", message: `the files of project ${app.project} define no service front, but app, db, migrate, worker` });
  await writeFile(file, original.replaceAll("worker:", "helper:"));
  expect(finding(await platform.preflight(target, now, never), "services")).toMatchObject({ outcome: "blocked", detail: "not in the files any more: worker" });
  await writeFile(file, "services: [");
  expect(finding(await platform.preflight(target, now, never), "compose-files")).toMatchObject({ outcome: "blocked" });
  const elsewhere = composePlatform({ ...app.settings, context: "no-such-context" });
  expect(await elsewhere.preflight(target, now, never)).toMatchObject([{ id: "engine", outcome: "blocked" }]);
}, 240_000);
