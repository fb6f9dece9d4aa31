/** Namespaces, users and workloads of the test run's Kubernetes cluster. Its nodes are played: see kubernetes/pods.yaml; kubernetes-node.ts has real ones. */
import { execa } from "execa";
import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { inject, onTestFinished } from "vitest";

/** What kubectl answered; it never rejects, since tests look at refusals too. */
export interface Answer {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A rule of a Role, as RBAC writes it. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

export type Manifest = Readonly<Record<string, unknown>>;

/** Somebody who may do in one namespace what their rules say, and nothing else. */
export interface ClusterUser {
  /** Their configuration file, with their namespace as the one in use. */
  readonly kubeconfig: string;
  /** Replaces their rules, also half-way through what they do. Resolves when the server goes by them. */
  readonly allow: (rules: readonly Rule[]) => Promise<void>;
}

/** A namespace of one test, with its default service account. */
export interface TestNamespace {
  readonly name: string;
  /** The superuser's configuration file, with this namespace as the one in use. */
  readonly kubeconfig: string;
  /** Runs kubectl as superuser in this namespace. @returns stdout @throws where it exits with a non-zero status */
  readonly kubectl: (...args: string[]) => Promise<string>;
  /** The same, for what may fail. */
  readonly tryKubectl: (...args: string[]) => Promise<Answer>;
  /** Creates or changes what the manifests say. */
  readonly apply: (...manifests: Manifest[]) => Promise<void>;
  /** @returns an object as the server has it */
  readonly get: (kind: string, name: string) => Promise<Manifest>;
  readonly user: (name: string, rules: readonly Rule[]) => Promise<ClusterUser>;
}

/** The superuser's configuration file. */
export function adminKubeconfig(cluster = inject("kubernetes").folder): string {
  return join(cluster, "admin.kubeconfig");
}

/** Runs kubectl with a configuration file. Its cache lies beside that, in the cluster's folder, and goes with it. */
export async function kubectlAs(kubeconfig: string, args: readonly string[], input?: string): Promise<Answer> {
  const { exitCode, stdout, stderr } = await execa("kubectl", args, {
    env: { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(dirname(kubeconfig), "cache") },
    reject: false,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
  });
  return { exitCode, stdout, stderr };
}

async function done(kubeconfig: string, args: readonly string[], input?: string): Promise<string> {
  const { exitCode, stdout, stderr } = await kubectlAs(kubeconfig, args, input);
  if (exitCode !== 0) throw new Error(`kubectl ${args.join(" ")} exited with ${String(exitCode)}: ${stderr}`);
  return stdout;
}

/** Runs kubectl as superuser. @returns stdout @throws where it exits with a non-zero status */
export async function kubectl(...args: string[]): Promise<string> {
  return done(adminKubeconfig(), args);
}

/** Makes a namespace, removed after the test. @param name what its name starts with @param cluster the folder of its files, if it is not the test run's */
export async function createNamespace(name = "test", cluster?: string): Promise<TestNamespace> {
  const unique = `${name}-${randomBytes(4).toString("hex")}`;
  const admin = adminKubeconfig(cluster);
  await done(admin, ["create", "namespace", unique]);
  onTestFinished(async () => { await kubectlAs(admin, ["delete", "namespace", unique, "--wait=false"]); });
  // Without its account, which a controller makes, the first pods are refused and come late.
  await done(admin, ["wait", "--namespace", unique, "--for", "create", "serviceaccount/default", "--timeout", "60s"]);
  const kubeconfig = await configFile(`${unique}-admin`, admin, unique);
  return {
    name: unique,
    kubeconfig,
    kubectl: (...args) => done(kubeconfig, args),
    tryKubectl: (...args) => kubectlAs(kubeconfig, args),
    apply: async (...manifests) => { await apply(kubeconfig, manifests); },
    get: async (kind, object) => JSON.parse(await done(kubeconfig, ["get", kind, object, "--output", "json"])) as Manifest,
    user: (user, rules) => userOf(kubeconfig, unique, user, rules),
  };
}

async function apply(kubeconfig: string, items: readonly Manifest[]): Promise<void> {
  await done(kubeconfig, ["apply", "--filename", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}

/** A configuration file beside another, with a namespace as the one in use, and somebody else's credentials. */
async function configFile(name: string, like: string, namespace: string, user?: string): Promise<string> {
  const file = join(dirname(like), `${name}.kubeconfig`);
  const text = (await readFile(like, "utf8")).replace(/namespace: [^,]*, /, "");
  const named = user === undefined ? text : text.replace(/user: \{client-certificate-data: .*?\}/, `user: ${user}`);
  await writeFile(file, named.replace("{cluster: holdfast-test,", `{cluster: holdfast-test, namespace: ${namespace},`), { mode: 0o600 });
  return file;
}

/** A service account with a token of an hour, and a Role of its own. */
async function userOf(admin: string, namespace: string, name: string, rules: readonly Rule[]): Promise<ClusterUser> {
  await apply(admin, [{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name } }]);
  const token = (await done(admin, ["create", "token", name, "--duration", "1h"])).trim();
  const kubeconfig = await configFile(`${namespace}-${name}`, admin, namespace, `{token: ${token}}`);
  const allow = async (allowed: readonly Rule[]): Promise<void> => {
    await apply(admin, [
      { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: { name }, rules: allowed },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
        metadata: { name },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
        subjects: [{ kind: "ServiceAccount", name, namespace }],
      },
    ]);
    await until(async () => sameRules(await rulesInForce(kubeconfig, namespace), allowed));
  };
  await allow(rules);
  return { kubeconfig, allow };
}

/** The server decides by a copy of the roles that follows them within milliseconds; this asks that copy. */
async function rulesInForce(kubeconfig: string, namespace: string): Promise<Rule[]> {
  const review = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: { namespace } };
  const answer = await done(kubeconfig, ["create", "--validate=false", "--filename", "-", "--output", "json"], JSON.stringify(review));
  const { status } = JSON.parse(answer) as { status: { resourceRules: Rule[] } };
  return status.resourceRules;
}

/** Everybody may ask the server what they may do; those rules count for nothing here. */
const everybodys = new Set(["authorization.k8s.io", "authentication.k8s.io"]);

function sameRules(inForce: readonly Rule[], allowed: readonly Rule[]): boolean {
  const written = (rules: readonly Rule[]): string[] =>
    rules
      .filter(({ apiGroups }) => !apiGroups.some((group) => everybodys.has(group)))
      .map(({ apiGroups, resources, verbs, resourceNames = [] }) => JSON.stringify([apiGroups, resources, verbs, resourceNames]))
      .sort();
  return isDeepStrictEqual(written(inForce), written(allowed));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await holds()); attempt += 1) if (attempt > 100) throw new Error("the server does not go by the new rules");
}

export interface WorkloadOptions {
  readonly replicas?: number;
  /** Labels of the pods beside `app`; see kubernetes/pods.yaml for those that decide what becomes of them. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** A Deployment of one container named like it. */
export function deployment(name: string, image: string, { replicas = 2, labels, env }: WorkloadOptions = {}): Manifest {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: podTemplate(name, image, labels, env) },
  };
}

/** A Job of one pod that is not tried again. */
export function job(name: string, image: string, { labels, env }: Omit<WorkloadOptions, "replicas"> = {}): Manifest {
  const template = podTemplate(name, image, labels, env);
  return { apiVersion: "batch/v1", kind: "Job", metadata: { name }, spec: { backoffLimit: 0, template: { ...template, spec: { ...template.spec, restartPolicy: "Never" } } } };
}

function podTemplate(name: string, image: string, labels: WorkloadOptions["labels"] = {}, env: WorkloadOptions["env"] = {}) {
  return {
    metadata: { labels: { app: name, ...labels } },
    spec: { containers: [{ name, image, env: Object.entries(env).map(([key, value]) => ({ name: key, value })) }] },
  };
}

/** The id by which the nodes report an image: its digest is made of its name, unless the name has one. */
export function imageIdOf(image: string): string {
  if (image.includes("@sha256:")) return image;
  return `${image.replace(/:[^:/]+$/, "")}@sha256:${createHash("sha256").update(image).digest("hex")}`;
}
