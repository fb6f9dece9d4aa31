import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";

import { ToolFailure } from "../../../../src/process/run.ts";
import { sameContent } from "../../../../src/rollback/platform/kubernetes/image-id.ts";
import { allowed, cannotLook, forbiddenIn, isNotFound, isRejectedPatch, kubectlOf, whyNot } from "../../../../src/rollback/platform/kubernetes/kubectl.ts";
import type { PodTemplate } from "../../../../src/rollback/platform/kubernetes/objects.ts";
import { permissionsFor } from "../../../../src/rollback/platform/kubernetes/permissions.ts";
import { settingsOf } from "../../../../src/rollback/platform/kubernetes/settings.ts";
import { inStep, notChanged } from "../../../../src/rollback/platform/kubernetes/standing.ts";
import { parseWorkload, selectorText, selects } from "../../../../src/rollback/platform/kubernetes/workload.ts";

const { signal } = new AbortController();
const settings = { context: "prod", namespace: "ehr", kubeconfig: undefined, workloads: [], rolloutTimeoutMs: 1000 };

describe("what kubectl is given", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "holdfast-kubectl-"));
    await writeFile(join(folder, "kubectl"), '#!/bin/sh\nfor a in "$@"; do echo "$a"; done\nenv | grep -E "^(AWS_PROFILE|DATABASE_URL|HOLDFAST_RECIPIENTS)=" | sort\nexit 0\n');
    await chmod(join(folder, "kubectl"), 0o755);
    vi.stubEnv("PATH", `${folder}:${process.env["PATH"] ?? ""}`);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  test("names the context and the namespace in every call, and the kubeconfig where one is configured", async () => {
    expect((await kubectlOf(settings).run(["get", "pods"], { signal })).trim().split("\n")).toEqual(["--context", "prod", "--namespace", "ehr", "--request-timeout=30s", "get", "pods"]);
    const other = kubectlOf({ ...settings, kubeconfig: "/srv/kubeconfig" });
    expect((await other.run(["rollout", "status", "deployment/app"], { signal, timeoutMs: 5000, namespace: "argocd" })).trim().split("\n")).toEqual(["--context", "prod", "--namespace", "argocd", "--kubeconfig", "/srv/kubeconfig", "rollout", "status", "deployment/app"]);
  });

  test("has what a cloud's login needs of the environment, and none of our own secrets", async () => {
    vi.stubEnv("AWS_PROFILE", "ops");
    vi.stubEnv("DATABASE_URL", "postgres://private");
    vi.stubEnv("HOLDFAST_RECIPIENTS", "age1private");
    expect((await kubectlOf(settings).run(["version"], { signal })).trim().split("\n").slice(6)).toEqual(["AWS_PROFILE=ops"]);
  });

  test("an answer that is no JSON, or no such object, is told and not taken", async () => {
    await expect(kubectlOf(settings).read(z.object({}), ["get", "pods"], { signal })).rejects.toMatchObject({ code: "configuration", message: "kubectl get pods answered with an object that cannot be read (at its top)" });
  });
});

const failed = (lines: string) => new ToolFailure("kubectl", { timedOut: false, exitCode: 1, shortMessage: "", signal: undefined } as never, lines);
const denied = failed('Error from server (Forbidden): deployments.apps "web" is forbidden: User "system:serviceaccount:ehr:deployer" cannot patch resource "deployments" in API group "apps" in the namespace "ehr"');

test("what was forbidden, not found or rejected is told from what kubectl says", async () => {
  expect(forbiddenIn(denied)).toEqual({ verb: "patch", resource: "deployments.apps", user: "system:serviceaccount:ehr:deployer" });
  expect(whyNot(denied, "ehr")).toBe("system:serviceaccount:ehr:deployer may not patch deployments.apps in namespace ehr");
  expect(forbiddenIn(failed('Error from server (Forbidden): pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "ehr"'))).toEqual({ verb: "list", resource: "pods", user: "u" });
  expect(forbiddenIn(failed("error: something else"))).toBeUndefined();
  expect(isNotFound(failed('Error from server (NotFound): deployments.apps "app" not found'))).toBe(true);
  expect([isRejectedPatch(failed("The request is invalid: the server rejected our request due to an error in our request")), isRejectedPatch(denied)]).toEqual([true, false]);
  expect(whyNot(failed('E1122 memcache.go:265] "Unhandled Error"\nThe connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n'), "ehr")).toBe("The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?");
  expect(await allowed(Promise.reject(denied))).toBe("forbidden");
  await expect(allowed(Promise.reject(failed("other")))).rejects.toThrow("other");
});

test.each(["app", "pod/app", "deployment/", "deployment/a/b", "Deployment/app", ""])("%j is no workload", (text) => {
  expect(() => parseWorkload(text)).toThrow("it must read deployment/NAME or statefulset/NAME");
});

test("a selector is written for kubectl and decides as the server does", () => {
  const selector = { matchLabels: { app: "ehr" }, matchExpressions: [{ key: "tier", operator: "In", values: ["web", "api"] }, { key: "old", operator: "DoesNotExist" }, { key: "kind", operator: "Exists" }, { key: "zone", operator: "NotIn", values: ["x"] }] };
  expect(selectorText(selector)).toBe("app=ehr,tier in (web,api),!old,kind,zone notin (x)");
  expect(selects(selector, { app: "ehr", tier: "web", kind: "a" })).toBe(true);
  for (const labels of [{ app: "ehr", tier: "db", kind: "a" }, { app: "ehr", tier: "web" }, { app: "ehr", tier: "web", kind: "a", old: "1" }, { tier: "web", kind: "a" }, { app: "ehr", tier: "web", kind: "a", zone: "x" }]) {
    expect(selects(selector, labels as unknown as Record<string, string>)).toBe(false);
  }
  expect(selects({}, { any: "thing" })).toBe(true);
});

test.each([
  ["was refused by the server", failed("Error from server (Invalid): deployments.apps is invalid"), "deployment app was not changed: "],
  ["timed out at the server", failed("Error from server: etcdserver: request timed out"), "whether deployment app was changed is not known, since no answer came: "],
  ["had no answer in time", new ToolFailure("kubectl", { timedOut: true, exitCode: undefined, shortMessage: "", signal: "SIGTERM" } as never, ""), "whether deployment app was changed is not known, since no answer came: "],
])("a change that %s is not said to have been made, nor to have not", async (_what, failure, said) => {
  const nothing = { platform: "kubernetes", address: {}, workloads: [], settings: [] } as const;
  const doing = inStep(kubectlOf(settings), notChanged({ kind: "deployment", name: "app" }), undefined, { ...nothing, workloads: [], settings: [] }, signal, () => Promise.reject(failure));
  await expect(doing).rejects.toMatchObject({ code: "rollback-failed", message: expect.stringContaining(said) as string });
});

test("where kubectl is not installed, that is what has to be mended", () => {
  const missing = new ToolFailure("kubectl", { timedOut: false, code: "ENOENT", exitCode: undefined, shortMessage: "", signal: undefined } as never, "");
  expect(cannotLook(missing, "deployment app", kubectlOf(settings))).toMatchObject({ message: "deployment app cannot be looked at: kubectl is not installed here", hints: [expect.stringMatching(/^Install kubectl on this host/)] });
});

const [a, b] = ["a".repeat(64), "b".repeat(64)];

test.each([
  [`registry.test/library/app@sha256:${a}`, `docker-pullable://app@sha256:${a}`, true],
  [`sha256:${a}`, `registry.example:5000/app@sha256:${a}`, true],
  [`app@sha256:${a}`, `app@sha256:${b}`, false],
  ["app:1.4.1", `app@sha256:${a}`, undefined],
])("%s and %s: the same content is %s", (left, right, same) => {
  expect(sameContent(left, right)).toBe(same);
});

test("every way in which a template refers to a ConfigMap or a Secret is found, once each", () => {
  const template: PodTemplate = {
    spec: {
      initContainers: [{ name: "init", image: "i", env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "by-key" } } }] }],
      containers: [
        { name: "app", image: "a", env: [{ name: "B", valueFrom: { secretKeyRef: { name: "by-key", optional: true } } }, { name: "C", value: "literal" }], envFrom: [{ configMapRef: { name: "whole" } }, { secretRef: { name: "whole" } }, { secretRef: { name: "by-key" } }] },
      ],
      volumes: [{ configMap: { name: "mounted" } }, { secret: { secretName: "mounted", optional: true } }, { projected: { sources: [{ configMap: { name: "projected" } }, { secret: { name: "projected" } }, {}] } }, {}],
    },
  };
  expect(settingsOf([template, template]).map(({ kind, name, optional }) => `${kind}/${name}${optional ? "?" : ""}`)).toEqual([
    "configmap/by-key", "configmap/mounted", "configmap/projected", "configmap/whole", "secret/by-key", "secret/mounted?", "secret/projected", "secret/whole",
  ]);
});

test("permissions are asked by name, and those of StatefulSets only where there is one", () => {
  const texts = (names: string[]) => permissionsFor(names.map(parseWorkload)).map(({ verb, resource }) => `${verb} ${resource}`);
  expect(texts(["deployment/app"])).toEqual(["get deployments.apps/app", "patch deployments.apps/app", "list deployments.apps/app", "watch deployments.apps/app", "list pods", "list replicasets.apps"]);
  expect(texts(["statefulset/q"]).slice(4)).toEqual(["list pods", "list controllerrevisions.apps", "delete pods"]);
});
