/** The part of the configuration's schema that is about checkpoints and rollbacks. */
import * as z from "zod";

import { duration, field, mapRule, oneOf, text, texts, whole } from "./kinds.ts";
import { platformNames, type RollbackSettings } from "./rollback-settings.ts";
import { splitWords } from "./tools.ts";

function command() {
  return z.union([text(), texts()], { error: "must be a command or a list of its words" }).transform((given, context): readonly [string, ...string[]] => {
    const [program, ...rest] = (typeof given === "string" ? splitWords(given) : given) ?? [];
    if (program !== undefined && program !== "") return [program, ...rest];
    context.addIssue({ code: "custom", message: "must name a program, its quotes closed" });
    return z.NEVER;
  });
}

const projectRule = "must be a Compose project name: lower-case letters, digits, - and _, beginning with a letter or digit";
const workloadRule = "must be deployment/NAME or statefulset/NAME";
const serviceRule = "must be the name of a Compose service: letters, digits, dots, - and _";
const some = (one: z.ZodType<string>) => z.array(one, { error: "must be a list" }).min(1, "must name at least one");

/** @param path - makes a path absolute, from the file's folder */
export function rollbackSchema(path: (given: string) => string) {
  const file = () => text().transform(path);
  const compose = z.strictObject({
    project: field(text().regex(/^[a-z0-9][a-z0-9_-]*$/, projectRule), "The Compose project. It is always named, never taken from a folder.", { type: "name", example: "ehr" }),
    files: field(some(file()), "Compose files, in Compose's order.", { type: "list of paths", kind: "list", example: "/srv/ehr/compose.yaml" }),
    envFiles: field(z.array(file(), { error: "must be a list of paths" }).default([]), "Files of variables for the Compose files.", { type: "list of paths", kind: "list", example: "/srv/ehr/.env" }),
    profiles: field(texts().default([]), "Profiles that are switched on.", { type: "list of names", kind: "list", example: "worker" }),
    services: field(some(text().regex(/^[A-Za-z0-9._-]+$/, serviceRule)), "Services that belong to the release: these are stopped and get their images back. Not the database.", { type: "list of services", kind: "list", example: "app,worker" }),
    context: field(text().optional(), "Docker context.", { type: "name", example: "production", defaultText: "this host's own engine" }),
  }, { error: mapRule });

  const kubernetes = z.strictObject({
    context: field(text(), "Context of the kubeconfig. It is always named, never the current one.", { type: "name", example: "production" }),
    namespace: field(text().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "must be the name of a namespace: lower-case letters, digits and -, at most 63"), "Namespace of the workloads.", { type: "name", example: "ehr" }),
    kubeconfig: field(file().optional(), "The kubeconfig.", { type: "path", kind: "path", example: "/etc/holdfast/kubeconfig", defaultText: "`KUBECONFIG`, as kubectl reads it" }),
    workloads: field(some(text().regex(/^(?:deployment|statefulset)\/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, workloadRule)), "Workloads that belong to the release.", { type: "list of kind/name", kind: "list", example: "deployment/app,deployment/worker" }),
    rolloutTimeout: field(duration().default(300_000), "How long the rollout of a workload may take.", { type: "duration", example: "5m", defaultText: "5m", at: "rolloutTimeoutMs" }),
  }, { error: mapRule });

  const health = z.strictObject({
    url: field(text().refine((given) => /^https?:\/\//i.test(given) && URL.canParse(given), "must be a URL that begins with http:// or https://"), "The application's health check.", { type: "URL", example: "http://127.0.0.1:3000/api/health" }),
    status: field(whole(100, 599).default(200), "Status that it must answer with.", { type: "100 to 599", kind: "number", example: "200" }),
    expect: field(
      z.record(text(), z.union([z.string(), z.number(), z.boolean()], { error: "must be a text, a number, true or false" }), { error: mapRule }).default({ status: "healthy", database: "connected" }),
      "What must stand in its JSON answer, by path in dots; `{release}` stands for the release that is expected.",
      { type: "map of path to value", env: false, example: "", defaultText: "`status: healthy`, `database: connected`" },
    ),
    version: field(text().default("version"), "Path of the application's version in the answer.", { type: "path in dots", example: "build.version", at: "versionPath" }),
    times: field(whole(1, 100).default(3), "How often in a row it must pass.", { type: "1 to 100", kind: "number", example: "5" }),
    interval: field(duration().default(1_000), "Time between two questions.", { type: "duration", example: "2s", defaultText: "1s", at: "intervalMs" }),
    timeout: field(duration().default(120_000), "Until when it must have passed so often.", { type: "duration", example: "5m", defaultText: "2m", at: "timeoutMs" }),
  }, { error: mapRule });

  return z.strictObject({
    platform: field(oneOf(...platformNames).optional(), "Where the application runs; `none` rolls back the database only.", { type: "compose, kubernetes or none", example: "compose", defaultText: "the one that is configured" }),
    compose: compose.optional(),
    kubernetes: kubernetes.optional(),
    migrations: field(file().optional(), "Folder of the migrations of the coming release, as Prisma keeps it; each may have a reviewed `down.sql`.", { type: "path", kind: "path", example: "/srv/ehr/prisma/migrations" }),
    health: health.optional(),
    maintenance: z.strictObject({
      on: field(command(), "Command that stops whatever writes to the database.", { type: "command or list of its words", example: "/srv/ehr/maintenance on" }),
      off: field(command(), "Command that lets it write again.", { type: "command or list of its words", example: "/srv/ehr/maintenance off" }),
    }, { error: mapRule }).optional(),
    errorBudget: field(command().optional(), "Command that `checkpoint verify` runs: exit 0 means that the error budget holds.", { type: "command or list of its words", example: "/srv/ehr/error-budget --since 1h" }),
    databaseVariable: field(text().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable").default("DATABASE_URL"), "Variable in which the application finds its database, for rehearsals.", { type: "name", example: "POSTGRES_URL" }),
    runbooks: field(file().optional(), "Folder of runbooks, beside those that are shipped.", { type: "path", kind: "path", example: "/srv/ehr/runbooks" }),
    severity: field(text().default("SEV-2"), "Severity of the incident that a rollback opens.", { type: "text", example: "SEV-1" }),
    stakeholders: field(texts().default([]), "Who has to be told, for the incident's record.", { type: "list of names", kind: "list", example: "security officer,clinic lead" }),
  }, { error: mapRule }).superRefine(({ platform, compose: c, kubernetes: k }, context) => {
    if (platform === "compose" && c === undefined) context.addIssue({ code: "custom", message: "platform is compose, but no compose project is named" });
    if (platform === "kubernetes" && k === undefined) context.addIssue({ code: "custom", message: "platform is kubernetes, but no namespace is named" });
    if (platform === undefined && c !== undefined && k !== undefined) context.addIssue({ code: "custom", message: "both compose and kubernetes are configured; say which with platform" });
  }).optional();
}

type ParsedRollback = NonNullable<z.output<ReturnType<typeof rollbackSchema>>>;

export function rollbackSettings({ compose, kubernetes, health, platform, migrations, maintenance, errorBudget, runbooks, ...rest }: ParsedRollback): RollbackSettings {
  const chosen = platform ?? (compose ? "compose" : kubernetes ? "kubernetes" : undefined);
  return {
    ...rest, migrations, maintenance, errorBudget, runbooks,
    platform: chosen,
    compose: compose && { ...compose, context: compose.context },
    kubernetes: kubernetes && { context: kubernetes.context, namespace: kubernetes.namespace, kubeconfig: kubernetes.kubeconfig, workloads: kubernetes.workloads, rolloutTimeoutMs: kubernetes.rolloutTimeout },
    health: health && { url: health.url, status: health.status, expect: health.expect, versionPath: health.version, times: health.times, intervalMs: health.interval, timeoutMs: health.timeout },
  };
}
