/** A platform that runs what the test says, for the stories around it. The real ones have tests of their own. */
import type { ImageState, Platform, PlatformState, WorkloadState } from "../../src/rollback/platform/platform.ts";

export interface FakePlatform extends Platform {
  /** What runs: changed by the test as a deploy would. */
  state: PlatformState;
  /** Tags that were made. */
  readonly pins: string[];
  deploy(release: string): void;
}

const imageOf = (service: string, release: string): ImageState => ({ container: service, reference: `${service}:${release}`, id: `sha256:${Buffer.from(`${service} ${release}`).toString("hex").padEnd(64, "0").slice(0, 64)}`, pinned: null });

const workload = (name: string, release: string): WorkloadState => ({ kind: "service", name, images: [imageOf(name, release)], replicas: 1, revision: null, configSha256: "c".repeat(64), healthChecked: true, resolved: { restart: "always" } });

export function fakePlatform(release: string, project = "ehr"): FakePlatform {
  const address = { project, files: "/srv/ehr/compose.yaml" };
  const stateOf = (of: string): PlatformState => ({ platform: "compose", address, workloads: [workload("app", of), workload("worker", of)], settings: [{ kind: "compose-file", name: "compose.yaml", sha256: "f".repeat(64) }] });
  const pins: string[] = [];
  return {
    kind: "compose", address, confirmName: project, state: stateOf(release), pins,
    deploy(to) { this.state = stateOf(to); },
    capture() { return Promise.resolve(structuredClone(this.state)); },
    pin: (state, checkpoint) => Promise.resolve({
      ...state,
      workloads: state.workloads.map((each) => ({ ...each, images: each.images.map((image) => {
        const pinned = `holdfast/${each.name}:${checkpoint}`;
        pins.push(pinned);
        return { ...image, pinned };
      }) })),
    }),
    unpin: () => Promise.resolve({ released: new Map(), failed: [] }),
    preflight: () => Promise.resolve([]),
    stopWriters: () => ({ id: "maintenance-on", title: "stop the writers", isDone: () => Promise.resolve(true), perform: () => Promise.resolve({}) }),
    startTarget: () => [],
    observe: () => Promise.resolve([]),
  };
}
