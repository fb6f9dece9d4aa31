/** The Compose file of a rehearsal: nothing of it reaches out of the project. */
import fc from "fast-check";
import { expect, test } from "vitest";

import type { WorkloadState } from "../../../src/rollback/platform/platform.ts";
import { verdictOf } from "../../../src/rollback/rehearsal/evidence.ts";
import { checkRunning } from "../../../src/rollback/rehearsal/compose/boot.ts";
import { rehearsalFile } from "../../../src/rollback/rehearsal/compose/file.ts";
import { composePorts, healthAddress, type Listeners } from "../../../src/rollback/rehearsal/health-address.ts";
import { placeholder } from "../../../src/rollback/rehearsal/placeholder.ts";

const id = `sha256:${"1".repeat(64)}`;
const concealed = `scrypt:${"a".repeat(64)}`;
const project = { project: "holdfast-rehearsal-1-a-00000000", labels: { "holdfast.drill": "rehearsal-ehr-20261121T020000Z-7f3a" }, database: { variable: "DATABASE_URL", url: "postgresql://app:p$w@copy:5432/ehr" } };

function service(resolved: Readonly<Record<string, unknown>>, name = "app"): WorkloadState {
  return { kind: "service", name, images: [{ container: name, reference: "ehr:1.4.1", id, pinned: "holdfast/pin:x" }], replicas: 3, revision: null, configSha256: "0".repeat(64), healthChecked: true, resolved };
}

/** What Compose makes of the file. */
function servicesIn(text: string): Record<string, Record<string, unknown>> {
  return (JSON.parse(text) as { services: Record<string, Record<string, unknown>> }).services;
}

const everything = {
  image: "ehr:1.4.1", build: { context: "/srv" }, command: ["serve", "--home", "$$HOME"], user: "1000", read_only: true, healthcheck: { test: ["CMD", "true"] },
  environment: { DATABASE_URL: concealed, SESSION_SECRET: concealed, LOG_LEVEL: "info", EMPTY: null }, env_file: [{ path: "/srv/.env" }],
  ports: [{ target: 3000, published: "8080" }], expose: ["3000"], volumes: [{ type: "bind", source: "/srv/uploads", target: "/uploads" }, { type: "volume", source: "data", target: "/data" }, "/run/docker.sock:/run/docker.sock"],
  secrets: [{ source: "api_key", target: "/run/secrets/api_key" }], configs: [{ source: "nginx" }], networks: { default: null, backend: { ipv4_address: "10.0.0.7" } }, network_mode: "host", external_links: ["mail"], links: ["db"],
  extra_hosts: ["production=10.0.0.1"], dns: ["10.0.0.53"], privileged: true, cap_add: ["NET_ADMIN"], devices: ["/dev/mem"], pid: "host", ipc: "host", uts: "host", cgroup_parent: "/", security_opt: ["apparmor=unconfined"], sysctls: { "net.ipv4.ip_forward": "1" },
  restart: "always", deploy: { replicas: 3 }, scale: 3, container_name: "ehr-app", labels: { "traefik.enable": "true" }, logging: { driver: "syslog", options: { "syslog-address": "tcp://log:514" } }, depends_on: { db: { condition: "service_healthy" }, worker: null },
  volumes_from: ["db"], extends: { service: "base" }, profiles: ["x"], runtime: "nvidia", "x-holdfast": { hashes: ["h"], running: ["ehr-app-1"] },
};

test("of everything that a service may have, only what stays inside comes along", () => {
  const { text, leftOut, placeholders, withoutDatabase, withoutCommand } = rehearsalFile([service(everything), service({ environment: {} }, "worker")], project);
  const file = JSON.parse(text) as Record<string, unknown>;
  expect(Object.keys(file).sort()).toEqual(["name", "networks", "services"]);
  expect(file).toMatchObject({ name: project.project, networks: { isolated: { external: true, name: project.project } } });
  const { app, worker } = servicesIn(text);
  expect(app).toEqual({
    image: id, pull_policy: "never", command: ["serve", "--home", "$$HOME"], user: "1000", read_only: true, healthcheck: { test: ["CMD", "true"] },
    environment: { DATABASE_URL: "postgresql://app:p$$w@copy:5432/ehr", SESSION_SECRET: placeholder, LOG_LEVEL: "info" },
    networks: { isolated: { aliases: ["app"] } }, dns: ["127.0.0.1"], restart: "no", logging: { driver: "none" }, pids_limit: 2048,
    labels: { "holdfast.drill": "rehearsal-ehr-20261121T020000Z-7f3a", "holdfast.rehearsal": project.project },
  });
  expect(worker).not.toHaveProperty("environment.DATABASE_URL");
  expect(leftOut).toEqual(expect.arrayContaining(["app: volume /uploads", "app: volume /data", "app: volume /run/docker.sock", "app: secret /run/secrets/api_key", "app: config nginx", "app: extra_hosts", "app: the service db"]));
  expect(leftOut.join()).not.toMatch(/ports|x-holdfast|the service worker/);
  expect([placeholders, withoutDatabase, withoutCommand]).toEqual([["app: SESSION_SECRET"], ["worker"], []]);
});

test("whatever fields a recorded service has, no other ever comes along, and no concealed value", () => {
  const value = fc.oneof(fc.string(), fc.boolean(), fc.constant(concealed), fc.array(fc.constantFrom("a:b", concealed)), fc.dictionary(fc.string({ minLength: 1 }), fc.constantFrom("x", concealed)));
  const allowed = new Set(["image", "pull_policy", "command", "entrypoint", "user", "group_add", "working_dir", "healthcheck", "tmpfs", "read_only", "init", "stop_signal", "stop_grace_period", "shm_size", "ulimits", "mem_limit", "mem_reservation", "cpus", "cap_drop", "hostname", "platform", "tty", "environment", "networks", "dns", "restart", "logging", "pids_limit", "labels"]);
  fc.assert(fc.property(fc.dictionary(fc.oneof(fc.constantFrom(...Object.keys(everything)), fc.string({ minLength: 1 })), value), (resolved) => {
    const { text } = rehearsalFile([service(Object.fromEntries(Object.entries(resolved).filter(([field]) => field !== "x-holdfast")))], project);
    expect(Object.keys(servicesIn(text)["app"]!).filter((field) => !allowed.has(field))).toEqual([]);
    expect(text).not.toContain("scrypt:");
  }));
});

test("a command of which only a hash is known is named: another would run in its place", () => {
  expect(rehearsalFile([service({ command: ["serve", concealed], environment: { DATABASE_URL: "x" } })], project)).toMatchObject({ withoutCommand: ["app"], leftOut: ["app: command, of which only a hash is known"] });
});

test.each([
  ["the port that the service publishes", "http://127.0.0.1:8080/health", [{ target: 3000, published: "8080" }, { target: 9000, published: "9090" }], { service: "app", port: 3000 }],
  ["a port in Compose's short form", "http://127.0.0.1:8080/health", ["127.0.0.1:8080:3000/tcp", "9090:9000"], { service: "app", port: 3000 }],
  ["https without a port", "https://ehr.example/health", [{ target: 3000, published: "443" }, { target: 9000, published: "9090" }], { service: "app", port: 3000 }],
  ["the only port, where a proxy stands before it", "https://ehr.example/health", [{ target: 3000, published: "8080" }], { service: "app", port: 3000 }],
  ["the service's name", "http://app:3000/health", [], { service: "app", port: 3000 }],
  ["what the image exposes", "https://ehr.example/health", [], { service: "app", port: 4000 }],
])("a health check is found by %s", (_how, url, ports, expected) => {
  expect(healthAddress(url, listeners([service({ ports })], 4000))).toEqual(expected);
});

const listeners = (workloads: readonly WorkloadState[], ...exposed: readonly number[]): Listeners => ({ services: workloads.map(({ name }) => name), ports: workloads.flatMap(composePorts), exposed: exposed.map((target) => ({ service: "app", target, published: undefined })) });

test("a health check that may be anybody's is nobody's", () => {
  expect(healthAddress("https://ehr.example/health", listeners([service({ ports: [{ target: 3000, published: "8080" }, { target: 9000, published: "9090" }, { target: 53, published: "443", protocol: "udp" }] })]))).toEqual({ why: "the health check asks port 443, which no service of the release publishes, and several listen: app:3000, app:9000" });
  expect(healthAddress("https://ehr.example/health", listeners([service({})]))).toMatchObject({ why: expect.stringContaining("none says that it listens") as string });
});

test("a container that runs another image than was recorded, or none, is found", () => {
  const state = { service: "app", container: "x-app-1", image: id, status: "running", exitCode: 0, health: undefined, exposed: [] };
  expect(checkRunning([state], [service({})])).toMatchObject({ outcome: "pass" });
  expect(checkRunning([{ ...state, image: "sha256:other" }], [service({})])).toEqual({ outcome: "unverified", detail: `app runs sha256:other, not ${id}` });
  expect(checkRunning([], [service({})])).toEqual({ outcome: "unverified", detail: "no container of app was made" });
});

test("only what was looked at and held makes a rehearsal pass", () => {
  const of = (...outcomes: Parameters<typeof verdictOf>[0][number]["outcome"][]) => verdictOf(outcomes.map((outcome) => ({ outcome })));
  expect([of("pass"), of("pass", "left-out"), of("pass", "unverified"), of("unverified", "fail"), of("left-out"), of()]).toEqual(["pass", "pass", "unverified", "fail", "unverified", "unverified"]);
});
