/** Checkpoints as a run would take them, without a run. */
import type { Checkpoint, Deployed, LedgerState } from "../../../src/rollback/checkpoint/checkpoint.ts";
import { checkpointId } from "../../../src/rollback/checkpoint/names.ts";
import type { PlatformState } from "../../../src/rollback/platform/platform.ts";

export const ledgerOf = (applied: readonly string[], changes: Partial<LedgerState> = {}): LedgerState => ({ tool: "prisma", table: "public._prisma_migrations", head: applied.at(-1) ?? null, applied: [...applied], failed: 0, sha256: "b".repeat(64), ...changes });

export const stateOf = (release: string): PlatformState => ({
  platform: "compose", address: { project: "ehr", files: "/srv/ehr/compose.yaml" }, settings: [],
  workloads: ["app", "worker"].map((name) => ({ kind: "service", name, replicas: 1, revision: null, configSha256: "c".repeat(64), healthChecked: true, resolved: {}, images: [{ container: name, reference: `${name}:${release}`, id: `sha256:${name}-${release}`, pinned: null }] })),
});

const by = { user: "backup", host: "db1", operator: null, holdfast: "0.1.0" };

/** Taken before `release` at `at`, when `running` ran. */
export function checkpointOf(release: string, running: string, at: string, changes: Partial<Checkpoint> = {}): Checkpoint {
  return {
    format: 1, kind: "holdfast-checkpoint", id: checkpointId(release, new Date(at)), database: "ehr", release, running, takenAt: new Date(at).toISOString(), reason: null, by,
    backup: { id: "ehr-20261121T020000Z-7f3a", snapshotAt: new Date(at).toISOString(), manifestSha256: "a".repeat(64), reused: false },
    state: stateOf(running), ledgers: [ledgerOf(["1_init"])], schemaFingerprint: "f".repeat(64), health: null, pending: ["2_widen"], signer: "0".repeat(16), ...changes,
  };
}

export function deployedOf(checkpoint: Checkpoint, at: string, changes: Partial<Deployed> = {}): Deployed {
  return {
    format: 1, kind: "holdfast-deployed", checkpoint: checkpoint.id, database: "ehr", release: checkpoint.release, at: new Date(at).toISOString(), by,
    state: stateOf(checkpoint.release), ledgers: [ledgerOf(["1_init", "2_widen"])], schemaFingerprint: "e".repeat(64), health: null, errorBudget: null, verdict: "good", problems: [], signer: "0".repeat(16), ...changes,
  };
}
