/** What of a project goes on beside a rollback, and whether it may. */
import { expect, test } from "vitest";

import type { PlatformState } from "../../../../../src/rollback/platform/platform.ts";
import type { Container } from "../../../../../src/rollback/platform/compose/engine.ts";
import { neighbours } from "../../../../../src/rollback/platform/compose/neighbours.ts";

const state = (image: string): PlatformState => ({
  platform: "compose", address: { project: "ehr" }, settings: [],
  workloads: [{ kind: "service", name: "app", replicas: 1, revision: null, configSha256: "0".repeat(64), healthChecked: true, images: [{ container: "app", reference: "app", id: image, pinned: null }], resolved: {} }],
});
const since = new Date("2026-11-21T02:00:00Z");
const before = new Date("2026-11-20T02:00:00Z");
const after = new Date("2026-11-21T02:05:00Z");
const container = (service: string, image: string, createdAt: Date, running = true): Container => ({ id: service, name: `ehr-${service}-1`, service, image, reference: service, configHash: "", createdAt, startedAt: "", running, status: running ? "running" : "exited", exitCode: 0, health: null, environment: [], command: [], labels: {}, replaces: null });
const look = (...others: Container[]) => neighbours(state("old"), state("new"), [container("app", "new", after), ...others], since);

test("what runs the image that goes, and is not among the services, is in the way until it stops", () => {
  const renamed = container("web", "new", after);
  expect(look(renamed)).toMatchObject({ outcome: "blocked", detail: "not among the services of the rollback's configuration, but with the image that is rolled back: ehr-web-1 (web)", hint: expect.stringContaining("`docker stop ehr-web-1`") as string });
  expect(look(container("migrate", "new", after, false))).toMatchObject({ outcome: "ok" });
  expect(look(container("admin", "old", before))).toMatchObject({ outcome: "ok", detail: "left as they are: admin" });
  // A service that did not change between the releases has the same image then and now.
  expect(neighbours(state("old"), state("old"), [container("app", "old", after), container("admin", "old", before)], since)).toMatchObject({ outcome: "ok" });
});

test("what came with the deploy from an image of its own is told of", () => {
  expect(look(container("db", "postgres", before), container("scheduler", "scheduler", after))).toMatchObject({ outcome: "warn", detail: "made since the checkpoint, and neither stopped nor rolled back: ehr-scheduler-1 (scheduler)" });
  expect(look(container("db", "postgres", before))).toMatchObject({ outcome: "ok", detail: "left as they are: db" });
  expect(look()).toMatchObject({ outcome: "ok", detail: "nothing else runs in the project" });
  expect(neighbours(state("old"), state("new"), [container("scheduler", "scheduler", after)], undefined)).toMatchObject({ outcome: "ok" });
});
