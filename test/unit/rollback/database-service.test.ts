/** Whether stopping the release would take the database away. */
import { expect, test } from "vitest";

import { databaseServiceFinding, databaseServices } from "../../../src/app/rollback/database-service.ts";
import type { PlatformState } from "../../../src/rollback/platform/platform.ts";

const workload = (name: string, ports: unknown): PlatformState["workloads"][number] => ({ kind: "service", name, replicas: 1, revision: null, configSha256: "0".repeat(64), healthChecked: true, images: [{ container: name, reference: name, id: `sha256:${name}`, pinned: null }], resolved: { ports } });
const state: PlatformState = { platform: "compose", address: { project: "ehr" }, settings: [], workloads: [workload("app", [{ target: 8080, published: "3000" }]), workload("db", [{ target: 5432, published: "15432", host_ip: "127.0.0.1" }])] };

test.each([
  ["postgresql://u:p@127.0.0.1:15432/ehr", ["db"]],
  ["postgresql://u:p@localhost:15432/ehr", ["db"]],
  ["postgresql://u:p@db:5432/ehr", ["db"]],
  ["postgresql://u:p@127.0.0.1:5432/ehr", []],
  ["postgresql://u:p@127.0.0.1/ehr", []],
  ["postgresql://u:p@db.example.org:15432/ehr", []],
  ["postgresql:///ehr?host=/run/postgresql&port=15432", []],
])("by %s the database is found through %j", (url, services) => {
  expect(databaseServices(state, { url })).toEqual(services);
});

test("a release that holds its own database is not rolled back", () => {
  expect(databaseServiceFinding(state, { url: "postgresql://u:p@127.0.0.1:15432/ehr" })).toMatchObject({ outcome: "blocked", detail: "the database is reached through a service of the release: db" });
  expect(databaseServiceFinding(state, { url: "postgresql://u:p@127.0.0.1:5433/ehr" })).toMatchObject({ outcome: "ok" });
});
