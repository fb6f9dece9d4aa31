/** What a deploy came to, from what was seen before and after. */
import { describe, expect, test } from "vitest";

import { type AfterDeploy, judgeDeploy } from "../../../src/app/checkpoint/deploy-verdict.ts";
import { lastRecordOf } from "../../../src/app/checkpoint/coming-migrations.ts";
import { whatRuns } from "../../../src/app/checkpoint/what-runs.ts";
import type { Checkpoint } from "../../../src/rollback/checkpoint/checkpoint.ts";
import type { RollbackOutcome } from "../../../src/rollback/plan/outcome.ts";
import { checkpointOf, deployedOf, ledgerOf, stateOf } from "./checkpoint-fixture.ts";
import { begunOf } from "./rollback-fixture.ts";

const at = "2026-11-20T02:00:00.000Z";
const checkpoint = checkpointOf("1.4.2", "1.4.1", at);
const health = (version: string | null, healthy = true): NonNullable<AfterDeploy["health"]> => ({ healthy, passedInARow: healthy ? 3 : 1, attempts: 3, health: { url: "http://app/api/health", healthy, detail: "status 200", version, at } });
const fine: AfterDeploy = { state: stateOf("1.4.2"), replicas: [], ledgers: [ledgerOf(["1_init", "2_widen"])], health: health("1.4.2"), errorBudget: null };

const judge = (after: Partial<AfterDeploy>, of: Partial<Checkpoint> = {}) => judgeDeploy({ ...checkpoint, ...of }, { ...fine, ...after });

test("a deploy with everything that was announced is good", () => {
  expect(judge({})).toEqual({ verdict: "good", problems: [], warnings: [] });
});

describe("it is bad", () => {
  test.each<[string, Partial<AfterDeploy>, string]>([
    ["when the application is not healthy often enough in a row", { health: health("1.4.2", false) }, "the health check did not pass often enough in a row: 1 of 3 attempts; the last said: status 200"],
    ["when the old release still answers", { health: health("1.4.1") }, "the application says that it still is 1.4.1, not 1.4.2"],
    ["when a migration is missing", { ledgers: [ledgerOf(["1_init"])] }, "1 migration of the release is not applied: 2_widen"],
    ["when one failed", { ledgers: [ledgerOf(["1_init", "2_widen"], { failed: 1 })] }, "the ledger public._prisma_migrations has 1 migration more that was not finished, or rolled back"],
    ["when the ledger is gone", { ledgers: [] }, "the ledger public._prisma_migrations is gone"],
    ["when a workload is gone", { state: { ...stateOf("1.4.2"), workloads: stateOf("1.4.2").workloads.slice(0, 1) } }, "worker does not run any more"],
    ["when a replica is not as it should be", { replicas: ["deployment worker: 0 of 2 replicas are there"] }, "deployment worker: 0 of 2 replicas are there"],
    ["when the error budget does not hold", { errorBudget: { passed: false, detail: "burn rate 14" } }, "the error budget does not hold: burn rate 14"],
  ])("%s", (_when, after, problem) => {
    const { verdict, problems } = judge(after);
    expect([verdict, problems]).toEqual(["bad", expect.arrayContaining([problem])]);
  });
});

describe("it is odd, and said so", () => {
  test.each<[string, Partial<AfterDeploy>, Partial<Checkpoint>, string]>([
    ["when no image changed", { state: stateOf("1.4.1") }, {}, "every image and its configuration are those from before: was 1.4.2 deployed at all?"],
    ["when the application tells another version", { health: health("7f3a9c") }, {}, "the application says that it is 7f3a9c, where 1.4.2 was expected"],
    ["when nobody asks the application", { health: undefined }, {}, "no health check is configured, so nothing says that the application works"],
    ["when a migration came that nobody announced", {}, { pending: [] }, "the checkpoint did not know of 2_widen, applied since"],
  ])("%s", (_when, after, of, warning) => {
    expect(judge(after, of)).toEqual({ verdict: "good", problems: [], warnings: [warning] });
  });
});

test("a release that is a configuration alone is not taken for none", () => {
  const configured = { ...stateOf("1.4.1"), workloads: stateOf("1.4.1").workloads.map((workload) => ({ ...workload, configSha256: "d".repeat(64) })) };
  expect(judge({ state: configured })).toEqual({ verdict: "good", problems: [], warnings: [] });
});

test("a migration that had failed before the deploy is not the deploy's", () => {
  expect(judge({ ledgers: [ledgerOf(["1_init", "2_widen"], { failed: 1 })] }, { ledgers: [ledgerOf(["1_init"], { failed: 1 })] }).verdict).toBe("good");
});

test("where nobody told which migrations come, none is missed", () => {
  expect(judge({ ledgers: [ledgerOf(["1_init"])] }, { pending: null })).toMatchObject({ verdict: "good" });
});

test("of a tool that keeps its heads only, the last one is enough", () => {
  const alembic = (applied: string[]) => ledgerOf(applied, { tool: "alembic", table: "public.alembic_version" });
  const of = { pending: ["b", "c"], ledgers: [alembic(["a"])] };
  expect(judge({ ledgers: [alembic(["c"])] }, of).verdict).toBe("good");
  expect(judge({ ledgers: [alembic(["a"])] }, of).verdict).toBe("bad");
});

describe("what runs", () => {
  const good = deployedOf(checkpoint, "2026-11-20T02:10:00Z");
  const hear = (changes: Partial<Parameters<typeof whatRuns>[1]>) => whatRuns("1.4.3", { said: undefined, health: null, deployed: [], rollbacks: [], configured: undefined, ...changes });
  const entry = (deployed: typeof good) => ({ checkpoint: checkpoint.id, name: "x", deployed });

  test("the operator, the application, the last good deploy, the configuration: in this order", () => {
    const all = { said: "a", health: health("b").health, deployed: [entry({ ...good, verdict: "bad", release: "x" }), entry(good)], configured: "d" };
    expect(hear(all).running).toBe("a");
    expect(hear({ ...all, said: undefined }).running).toBe("b");
    expect(hear({ ...all, said: undefined, health: null }).running).toBe("1.4.2");
    expect(hear({ configured: "d" }).running).toBe("d");
  });

  test("a rollback that was done since brings back what ran before; one that was aborted changes nothing, and after any other nobody knows", () => {
    const begun = begunOf("2026-11-20T03:00:00Z", "s");
    const ended = (outcome: RollbackOutcome["outcome"], finishedAt: string) => ({ id: begun.id, begun, planSha256: "", outcome: { outcome, to: begun.plan.to, finishedAt } as RollbackOutcome });
    const deployed = [entry(good)];
    expect(hear({ deployed, rollbacks: [ended("done", "2026-11-20T03:10:00Z")] }).running).toBe("1.4.1");
    expect(hear({ deployed, rollbacks: [ended("done", "2026-11-20T02:00:00Z")] }).running).toBe("1.4.2");
    expect(hear({ deployed, rollbacks: [ended("aborted", "2026-11-20T03:10:00Z")] }).running).toBe("1.4.2");
    expect(() => hear({ deployed, rollbacks: [ended("left", "2026-11-20T03:10:00Z")] })).toThrow(/no deploy was verified since the last rollback/);
    expect(() => hear({ deployed, rollbacks: [{ id: begun.id, begun, planSha256: "", outcome: undefined }] })).toThrow(/nobody tells which release runs/);
  });

  test("a version that is no name of a release is not taken for one", () => {
    expect(() => hear({ health: health("1.4.1 (build 7)").health })).toThrow(/is not the name of a release/);
  });

  test("the ledger is compared with the newest record of the release that runs", () => {
    const entries = [{ id: checkpoint.id, database: "ehr", checkpoint, sha256: "", signer: "" }];
    expect(lastRecordOf("1.4.1", entries, [entry(good)], [])?.ledgers).toEqual(checkpoint.ledgers);
    expect(lastRecordOf("1.4.2", entries, [entry(good)], [])?.ledgers).toEqual(good.ledgers);
    expect(lastRecordOf("1.4.2", entries, [entry({ ...good, verdict: "bad" })], [])).toBeNull();
  });
});
