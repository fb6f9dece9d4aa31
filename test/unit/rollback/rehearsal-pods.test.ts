/** The pods of a rehearsal on Kubernetes: nothing of them reaches out of the namespace, and whatever was changed on the way in is found. */
import fc from "fast-check";
import { expect, test } from "vitest";

import type { WorkloadState } from "../../../src/rollback/platform/platform.ts";
import { changedSince, reaches, wrongWith } from "../../../src/rollback/rehearsal/kubernetes/admitted.ts";
import { confined, gate, type PodObject } from "../../../src/rollback/rehearsal/kubernetes/confine.ts";
import { podToAsk } from "../../../src/rollback/rehearsal/kubernetes/health.ts";
import { checkImages, imageToRun } from "../../../src/rollback/rehearsal/kubernetes/images.ts";
import type { LiveService } from "../../../src/rollback/rehearsal/kubernetes/neighbours.ts";
import { closedPolicy } from "../../../src/rollback/rehearsal/kubernetes/policies.ts";
import { type ReleaseNamespace, releasePods } from "../../../src/rollback/rehearsal/kubernetes/release-pods.ts";
import { placeholder } from "../../../src/rollback/rehearsal/placeholder.ts";

const digest = `sha256:${"1".repeat(64)}`;
const hashed = `hmac-sha256:${"a".repeat(64)}`;
const place: ReleaseNamespace = {
  namespace: "holdfast-rehearsal-1-a-00000000", services: [], database: { variable: "DATABASE_URL", secret: "holdfast-copy-url", key: "url" },
  standIns: [{ setting: { kind: "secret", name: "app", optional: false }, object: {}, keys: ["DATABASE_URL", "SESSION_SECRET"], copied: false }],
};

function workload(spec: Readonly<Record<string, unknown>>, change: Partial<WorkloadState> = {}, labels: Readonly<Record<string, string>> = { app: "app" }): WorkloadState {
  const container = { name: "app", image: "ehr:1.4.1", env: [{ name: "DATABASE_URL", value: hashed }] };
  const resolved = { generation: 1, identity: "i", specSha256: "s", templateSha256: "t", lastingSha256: "l", imageIds: { app: [`registry.test/library/ehr@${digest}`] }, template: { metadata: { labels }, spec: { containers: [container], ...spec } } };
  return { kind: "deployment", name: "app", images: [{ container: "app", reference: "ehr:1.4.1", id: digest, pinned: null }], replicas: 3, revision: "7", configSha256: "0".repeat(64), healthChecked: true, resolved, ...change };
}

const everything = {
  hostNetwork: true, hostPID: true, hostIPC: true, hostUsers: false, nodeName: "node-1", serviceAccountName: "admin", serviceAccount: "admin", automountServiceAccountToken: true, schedulerName: "other", priorityClassName: "high",
  hostAliases: [{ ip: "10.0.0.1", hostnames: ["production"] }], dnsPolicy: "ClusterFirst", imagePullSecrets: [{ name: "registry" }], nodeSelector: { disk: "fast" }, tolerations: [{ key: "app", operator: "Exists" }], affinity: { nodeAffinity: {} },
  readinessGates: [{ conditionType: "x" }], restartPolicy: "Always", terminationGracePeriodSeconds: 600, resourceClaims: [{ name: "gpu" }],
  securityContext: { runAsUser: 1000, fsGroup: 1000, sysctls: [{ name: "net.ipv4.ip_forward", value: "1" }], seLinuxOptions: { level: "s0" } },
  initContainers: [{ name: "prepare", image: "init:1", env: [{ name: "KEY", value: hashed }], restartPolicy: "Always" }],
  containers: [{
    name: "app", image: "ehr:1.4.1", command: ["serve"], args: ["--level", "info"], workingDir: "/srv", imagePullPolicy: "Always", stdin: true,
    env: [{ name: "DATABASE_URL", value: hashed }, { name: "SESSION_SECRET", value: hashed }, { name: "LOG_LEVEL", value: "info" }, { name: "API_KEY", valueFrom: { secretKeyRef: { name: "app", key: "API_KEY" } } }, { name: "CACHE", value: "redis://cache:6379/0" }],
    envFrom: [{ configMapRef: { name: "settings" } }],
    ports: [{ containerPort: 3000, hostPort: 80, hostIP: "0.0.0.0", name: "http", protocol: "TCP" }],
    resources: { requests: { cpu: "100m" } }, lifecycle: { preStop: { httpGet: { host: "production", port: 80 } } }, livenessProbe: { httpGet: { port: 3000 } }, startupProbe: { httpGet: { port: 3000 } },
    readinessProbe: { httpGet: { path: "/api/health", port: "http", host: "production" }, periodSeconds: 2 },
    securityContext: { privileged: true, allowPrivilegeEscalation: true, runAsUser: 1000, capabilities: { add: ["NET_ADMIN"], drop: ["CHOWN"] }, procMount: "Unmasked" },
    volumeMounts: [{ name: "data", mountPath: "/data", mountPropagation: "Bidirectional" }, { name: "uploads", mountPath: "/uploads" }, { name: "settings", mountPath: "/settings" }], volumeDevices: [{ name: "disk", devicePath: "/dev/x" }],
  }],
  volumes: [
    { name: "uploads", persistentVolumeClaim: { claimName: "uploads" } }, { name: "host", hostPath: { path: "/" } }, { name: "files", nfs: { server: "10.0.0.1", path: "/" } }, { name: "settings", configMap: { name: "settings" } }, { name: "scratch", emptyDir: { medium: "Memory" } },
    { name: "token", projected: { sources: [{ serviceAccountToken: { path: "token" } }, { downwardAPI: { items: [] } }] } }, { name: "vault", csi: { driver: "vault" } },
  ],
};

test("of everything that a pod may have, only what stays inside comes along, and what is missed is named", () => {
  const { pods: [made], leftOut, placeholders, withoutDatabase, withoutCommand } = releasePods([workload(everything, { kind: "statefulset" })], { ...place, services: ["cache", "app", "unused"] });
  const spec = confined(made!.pod, "release").spec;
  expect(Object.keys(spec).sort()).toEqual([
    "affinity", "automountServiceAccountToken", "containers", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostname", "initContainers", "nodeSelector", "restartPolicy", "schedulingGates", "securityContext", "serviceAccountName", "terminationGracePeriodSeconds", "tolerations", "volumes",
  ]);
  expect(spec).toMatchObject({ hostname: "app-0", restartPolicy: "Never", serviceAccountName: "default", automountServiceAccountToken: false, dnsPolicy: "None", schedulingGates: [gate], securityContext: { runAsUser: 1000, fsGroup: 1000 } });
  expect(spec["containers"]).toEqual([{
    name: "app", image: `ehr@${digest}`, imagePullPolicy: "IfNotPresent", command: ["serve"], args: ["--level", "info"], workingDir: "/srv", stdin: true, resources: { requests: { cpu: "100m" } },
    env: [{ name: "DATABASE_URL", valueFrom: { secretKeyRef: { name: "holdfast-copy-url", key: "url" } } }, { name: "SESSION_SECRET", value: placeholder }, { name: "LOG_LEVEL", value: "info" }, { name: "API_KEY", valueFrom: { secretKeyRef: { name: "app", key: "API_KEY" } } }, { name: "CACHE", value: "redis://cache:6379/0" }],
    envFrom: [{ configMapRef: { name: "settings" } }], ports: [{ containerPort: 3000, name: "http", protocol: "TCP" }], readinessProbe: { httpGet: { path: "/api/health", port: "http" }, periodSeconds: 2 },
    volumeMounts: [{ name: "data", mountPath: "/data" }, { name: "uploads", mountPath: "/uploads" }, { name: "settings", mountPath: "/settings" }],
    securityContext: { runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: { drop: ["CHOWN"] } },
  }]);
  expect(spec["volumes"]).toEqual([
    { name: "uploads", emptyDir: {} }, { name: "host", emptyDir: {} }, { name: "files", emptyDir: {} }, { name: "settings", configMap: { name: "settings" } }, { name: "scratch", emptyDir: { medium: "Memory" } },
    { name: "token", projected: { sources: [{ downwardAPI: { items: [] } }] } }, { name: "vault", emptyDir: {} }, { name: "data", emptyDir: {} },
  ]);
  expect(leftOut).toEqual([
    "app: volumeDevices", "app: lifecycle", "app: the persistentVolumeClaim uploads", "app: the hostPath host", "app: the nfs files", "app: the token in token", "app: the csi vault", "app: the claimed volume data",
    "app: hostAliases", "app: hostNetwork", "app: hostPID", "app: hostIPC", "app: resourceClaims", "app: imagePullSecrets", "app: the service cache",
  ].sort((a, b) => leftOut.indexOf(a) - leftOut.indexOf(b)));
  expect([placeholders, withoutDatabase, withoutCommand]).toEqual([["app: KEY", "app: SESSION_SECRET"], [], []]);
  expect(reaches(spec)).toEqual([]);
});

test("whatever a template holds, what is made of it reaches nothing, and no hash comes along", () => {
  const value = fc.oneof(fc.boolean(), fc.constant(hashed), fc.array(fc.record({ name: fc.string(), value: fc.constantFrom("x", hashed), hostPath: fc.constant({ path: "/" }) })), fc.dictionary(fc.string({ minLength: 1 }), fc.constantFrom("x", hashed)));
  const fields = fc.constantFrom(...Object.keys(everything).filter((field) => !["containers", "initContainers", "volumes"].includes(field)), "ephemeralContainers", "shareProcessNamespace");
  fc.assert(fc.property(fc.dictionary(fields, value), fc.dictionary(fc.constantFrom(...Object.keys(everything.containers[0]!).filter((field) => !["name", "image", "env", "envFrom", "imagePullPolicy", "readinessProbe"].includes(field))), value), fc.shuffledSubarray(everything.volumes), (spec, container, volumes) => {
    const [made] = releasePods([workload({ ...spec, volumes, containers: [{ name: "app", image: "ehr", ...container }] })], place).pods;
    const pod = confined(made!.pod, "release");
    expect(reaches(pod.spec)).toEqual([]);
    expect(JSON.stringify(pod)).not.toContain("hmac-sha256:");
    expect(wrongWith(pod, pod)).toEqual([]);
  }));
});

test("a database variable that a Secret gives as a whole is led to the copy too; where none has it, or a command is hidden, it is said", () => {
  const from = releasePods([workload({ containers: [{ name: "app", image: "ehr", envFrom: [{ secretRef: { name: "app" } }] }] })], place);
  expect(from.pods[0]!.pod.spec["containers"]).toMatchObject([{ env: [{ name: "DATABASE_URL", valueFrom: { secretKeyRef: { name: "holdfast-copy-url" } } }], envFrom: [{ secretRef: { name: "app" } }] }]);
  const without = releasePods([workload({ containers: [{ name: "app", image: "ehr", args: ["--key", hashed] }] })], place);
  expect([from.withoutDatabase, without.withoutDatabase, without.withoutCommand]).toEqual([[], ["app"], ["app"]]);
});

const asked = confined(releasePods([workload({})], place).pods[0]!.pod, "release");
const container = (asked.spec["containers"] as Record<string, unknown>[])[0]!;
/** As a server answers: with what it sets itself. */
const admitted: PodObject = {
  metadata: asked.metadata,
  spec: {
    ...asked.spec, schedulerName: "default-scheduler", serviceAccount: "default", priority: 0, preemptionPolicy: "PreemptLowerPriority", securityContext: {}, tolerations: [{ key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }],
    containers: [{ ...container, resources: {}, terminationMessagePath: "/dev/termination-log", terminationMessagePolicy: "File", imagePullPolicy: "Always" }],
  },
};
const changed = (change: Readonly<Record<string, unknown>>): PodObject => ({ ...admitted, spec: { ...admitted.spec, ...change } });
const inContainer = (change: Readonly<Record<string, unknown>>): PodObject => changed({ containers: [{ ...container, ...change }] });

test.each<[string, PodObject]>([
  ["has hostNetwork", changed({ hostNetwork: true })],
  ["has hostPID", changed({ hostPID: true })],
  ["mounts the hostPath of node", changed({ volumes: [{ name: "node", hostPath: { path: "/" } }] })],
  ["mounts the persistentVolumeClaim of data", changed({ volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }] })],
  ["has volumes, which nobody asked for", changed({ volumes: [{ name: "mesh", emptyDir: {} }] })],
  ["has a token of the API in token", changed({ volumes: [{ name: "token", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } }] })],
  ["may get a token of the API", changed({ automountServiceAccountToken: true })],
  ["has another serviceAccountName than was asked for", changed({ serviceAccountName: "admin" })],
  ["has the container proxy, which nobody asked for", changed({ containers: [container, { name: "proxy", image: "envoy" }] })],
  ["has initContainers, which nobody asked for", changed({ initContainers: [{ name: "iptables", image: "mesh" }] })],
  ["asks the cluster's resolver", changed({ dnsPolicy: "ClusterFirst" })],
  ["has another dnsConfig.nameservers.0 than was asked for", changed({ dnsConfig: { nameservers: ["10.96.0.10"] } })],
  ["knows hosts by name that are not of the rehearsal", changed({ hostAliases: [{ ip: "10.0.0.1" }] })],
  ["lacks affinity.podAffinity", changed({ affinity: { podAffinity: {} } })],
  ["has securityContext.sysctls, which nobody asked for", changed({ securityContext: { sysctls: [{ name: "net.ipv4.ip_forward", value: "1" }] } })],
  ["is kept back by the gate queue of somebody else", changed({ schedulingGates: [gate, { name: "queue" }] })],
  ["is not kept back by its gate", changed({ schedulingGates: undefined })],
  ["is on a node already", changed({ nodeName: "node-1" })],
  ["has another restartPolicy than was asked for", changed({ restartPolicy: "Always" })],
  ["is privileged in app", inContainer({ securityContext: { allowPrivilegeEscalation: false, privileged: true } })],
  ["may gain rights in app", inContainer({ securityContext: {} })],
  ["has containers.app.securityContext.capabilities, which nobody asked for", inContainer({ securityContext: { allowPrivilegeEscalation: false, capabilities: { add: ["NET_ADMIN"] } } })],
  ["has a port of the node in app", inContainer({ ports: [{ containerPort: 3000, hostPort: 80 }] })],
  ["has another containers.app.image than was asked for", inContainer({ image: "other" })],
  ["has containers.app.env.HTTP_PROXY, which nobody asked for", inContainer({ env: [...(container["env"] as object[]), { name: "HTTP_PROXY", value: "x" }] })],
  ["has containers.app.volumeMounts, which nobody asked for", inContainer({ volumeMounts: [{ name: "node", mountPath: "/host" }] })],
  ["has containers.app.command, which nobody asked for", inContainer({ command: ["sh"] })],
  ["has hooks in app", inContainer({ lifecycle: {} })],
  ["is probed at another host in app", inContainer({ readinessProbe: { httpGet: { port: 1, host: "production" } } })],
])("a pod that %s is found behind its gate", (problem, pod) => {
  expect(wrongWith(admitted, asked)).toEqual([]);
  expect(wrongWith(pod, asked).join("; ")).toContain(problem);
});

test("a pod that was let go is not found changed, and one that was changed since is", () => {
  const running = changed({ schedulingGates: undefined, nodeName: "node-1" });
  expect(changedSince({ ...running, spec: Object.fromEntries(Object.entries(running.spec).filter(([, value]) => value !== undefined)) }, asked)).toEqual([]);
  expect(changedSince(changed({ ephemeralContainers: [{ name: "debug", image: "x", securityContext: { allowPrivilegeEscalation: false } }] }), asked)).toEqual(["has ephemeralContainers, which nobody asked for"]);
});

test("the policy lets the pods reach one another at their ports, and denies every other way", () => {
  expect(closedPolicy([5432, 3000, 3000])).toMatchObject({
    spec: {
      podSelector: {}, policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [{ podSelector: {} }], ports: [{ protocol: "TCP", port: 3000 }, { protocol: "TCP", port: 5432 }] }],
      egress: [{ to: [{ podSelector: {} }], ports: [{ protocol: "TCP", port: 3000 }, { protocol: "TCP", port: 5432 }] }],
    },
  });
});

test.each([
  ["ehr:1.4.1", [`registry.test/library/ehr@${digest}`], `ehr@${digest}`],
  ["registry:5000/team/ehr:1.4.1", [`docker-pullable://registry:5000/team/ehr@${digest}`], `registry:5000/team/ehr@${digest}`],
  ["team/ehr", [`registry.test/team/ehr@${digest}`], `team/ehr@${digest}`],
  ["ehr:1.4.1", [`registry.test/library/import-2026@${digest}`], "ehr:1.4.1"],
  ["registry:5000/ehr:1.4.1", [`registry.test/library/ehr@${digest}`], "registry:5000/ehr:1.4.1"],
  ["ehr:1.4.1", [`registry.test/team/ehr@${digest}`], "ehr:1.4.1"],
  ["ehr:1.4.1", [digest], "ehr:1.4.1"],
  ["ehr:1.4.1", [], "ehr:1.4.1"],
  [`ehr@${digest}`, [`registry.test/library/ehr@${digest}`], `ehr@${digest}`],
])("the image %s, known as %j, is asked for as %s", (image, ids, expected) => {
  expect(imageToRun({ image }, ids)).toBe(expected);
});

test("a container that runs another image than was recorded, or does not say which, is found", () => {
  const { workload: recorded } = releasePods([workload({})], place).pods[0]!;
  const started = (imageID: string) => [{ workload: recorded, pod: { kind: "Pod", metadata: { name: "deployment-app" }, spec: asked.spec, status: { phase: "Running", conditions: [], initContainerStatuses: [], containerStatuses: [{ name: "app", image: "ehr", imageID, ready: true, restartCount: 0, state: {} }] } } as never }];
  expect(checkImages(started(`registry.test/library/ehr@${digest}`))).toMatchObject({ outcome: "pass" });
  expect(checkImages(started(`registry.test/library/ehr@sha256:${"2".repeat(64)}`))).toMatchObject({ outcome: "unverified", detail: expect.stringContaining(`app runs registry.test/library/ehr@sha256:${"2".repeat(64)}, not`) as string });
  expect(checkImages(started(""))).toMatchObject({ outcome: "unverified", detail: "app does not say what it runs" });
});

const ports = (...numbers: number[]) => ({ containers: [{ name: "app", image: "ehr", ports: numbers.map((containerPort) => ({ containerPort })) }] });
const probed = { containers: [{ name: "app", image: "ehr", ports: [{ containerPort: 3000, name: "http" }, { containerPort: 9000 }], readinessProbe: { httpGet: { path: "/api/health", port: "http" } } }] };
const service = (name: string, port: number, targetPort: number | string, nodePort?: number): LiveService => ({ metadata: { name }, spec: { clusterIPs: [], selector: { app: "app" }, ports: [{ port, targetPort, ...(nodePort !== undefined && { nodePort }) }] } });

test.each<[string, string, object, LiveService[], unknown]>([
  ["the service that it names", "http://web.clinic.svc/api/health", ports(3000, 9000), [service("web", 80, 9000)], { service: "deployment-app", port: 9000 }],
  ["the service's port by its name", "http://web/other", probed, [service("web", 80, "http")], { service: "deployment-app", port: 3000 }],
  ["the readiness probe that asks for the same path", "https://ehr.example/api/health", probed, [], { service: "deployment-app", port: 3000 }],
  ["the port that a service has on the nodes", "http://10.0.0.7:30080/x", ports(3000, 9000), [service("web", 80, 9000, 30_080)], { service: "deployment-app", port: 9000 }],
  ["the only port that there is", "https://ehr.example/x", ports(3000), [], { service: "deployment-app", port: 3000 }],
  ["nobody, where several listen", "https://ehr.example/x", ports(3000, 9000), [], { why: "the health check asks port 443, which no service of the release publishes, and several listen: deployment-app:3000, deployment-app:9000" }],
])("a health check leads to %s", (_to, url, spec, services, expected) => {
  expect(podToAsk(url, releasePods([workload(spec as never)], place).pods, services)).toEqual(expected);
});
