/** The one road to a cluster: kubectl, with its context and namespace named in every call. */
import type { z } from "zod";

import type { KubernetesSettings } from "../../../config/rollback-settings.ts";
import { HoldfastError, messageOf } from "../../../errors.ts";
import { type CommandLine, runTool, ToolFailure } from "../../../process/run.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
  /** Milliseconds that the call may take; a single answer has 30 seconds. */
  readonly timeoutMs?: number;
  /** In place of the configured one. */
  readonly namespace?: string;
  /** What kubectl reads as `--filename -`. */
  readonly input?: string;
}

export interface Kubectl {
  readonly namespace: string;
  /** kubectl with its context and namespace, for what runs on (`exec`, `port-forward`). */
  readonly command: CommandLine;
  /** What of our environment it needs to log in. */
  environment(): Record<string, string>;
  /** @returns what kubectl printed @throws ToolFailure; HoldfastError `cancelled` */
  run(args: readonly string[], options: CallOptions): Promise<string>;
  /** @returns what `kubectl ARGS --output json` printed, as `schema` reads it; undefined if kubectl found nothing (`--ignore-not-found`) */
  read<T>(schema: z.ZodType<T>, args: readonly string[], options: CallOptions): Promise<T | undefined>;
}

const answerMs = 30_000;

/** What a kubeconfig's credential plugin needs of our environment to log in: the clouds', and the way through a proxy. */
const forCredentials = /^(?:AWS|GOOGLE|CLOUDSDK|AZURE|AAD|OIDC)_[A-Z0-9_]+$|^(?:HTTPS?|NO)_PROXY$|^(?:https?|no)_proxy$|^SSL_CERT_(?:FILE|DIR)$|^USE_GKE_GCLOUD_AUTH_PLUGIN$|^KUBECACHEDIR$/;

export function kubectlOf({ context, namespace, kubeconfig }: KubernetesSettings): Kubectl {
  const file = kubeconfig === undefined ? [] : ["--kubeconfig", kubeconfig];
  const commandIn = (where: string): CommandLine => ["kubectl", "--context", context, "--namespace", where, ...file];
  const environment = (): Record<string, string> => Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value !== undefined && forCredentials.test(name) ? [[name, value]] : [])));
  const run: Kubectl["run"] = async (args, { signal, timeoutMs, namespace: other, input }) => {
    const limit = timeoutMs === undefined ? [`--request-timeout=${answerMs / 1000}s`] : [];
    // Discovery and logging in come before the request that has the limit.
    const { stdout } = await runTool(commandIn(other ?? namespace), [...limit, ...args], { signal, env: environment(), timeout: (timeoutMs ?? answerMs) + answerMs, ...(input !== undefined && { input }) });
    return stdout;
  };
  return {
    namespace,
    command: commandIn(namespace),
    environment,
    run,
    async read(schema, args, options) {
      const text = await run([...args, "--output", "json"], options);
      if (text.trim() === "") return undefined;
      const parsed = schema.safeParse(parsedJson(text));
      if (parsed.success) return parsed.data;
      const at = parsed.error.issues[0]?.path.join(".") ?? "";
      throw new HoldfastError("configuration", `kubectl ${args.slice(0, 2).join(" ")} answered with an object that cannot be read (at ${at === "" ? "its top" : at})`);
    },
  };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** What an API server did not let somebody do. */
export interface Forbidden {
  readonly verb: string;
  /** `deployments.apps`, `pods` */
  readonly resource: string;
  readonly user: string;
}

const forbidden = /is forbidden: User "([^"]*)" cannot (\S+) resource "([^"]+)" in API group "([^"]*)"/;

/** @returns what was forbidden; undefined if `error` is another */
export function forbiddenIn(error: unknown): Forbidden | undefined {
  if (!(error instanceof ToolFailure)) return undefined;
  const match = forbidden.exec(error.lastLines);
  if (match === null) return undefined;
  const [, user = "", verb = "", resource = "", group = ""] = match;
  return { verb, resource: group === "" ? resource : `${resource}.${group}`, user };
}

/** @throws what is no refusal of the API server */
export async function allowed<T>(answer: Promise<T>): Promise<T | "forbidden"> {
  try {
    return await answer;
  } catch (error) {
    if (forbiddenIn(error) === undefined) throw error;
    return "forbidden";
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ToolFailure && error.lastLines.includes("(NotFound)");
}


/** Whether the server did not take a patch: since its `test` does not hold, or since what it makes would not be valid. */
export function isRejectedPatch(error: unknown): boolean {
  return error instanceof ToolFailure && /the server rejected our request|\(Invalid\)|\(Conflict\)|is invalid:/.test(error.lastLines);
}

/** Whether no answer came, so that the server may have done what it was asked for. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof ToolFailure && (error.timedOut || error.signalName !== undefined || /time(?:d )?out|deadline exceeded|\bEOF\b|connection reset|connection lost|request canceled/i.test(error.lastLines));
}

/** @returns why kubectl did not do it, in a clause */
export function whyNot(error: unknown, namespace: string): string {
  const denied = forbiddenIn(error);
  if (denied !== undefined) return `${denied.user} may not ${denied.verb} ${denied.resource} in namespace ${namespace}`;
  if (!(error instanceof ToolFailure)) return messageOf(error);
  if (error.missing) return "kubectl is not installed here";
  // Of an unreachable server, kubectl's own log repeats itself before the line that says it.
  return error.lastLines === "" ? error.message : (error.lastLines.split("\n").findLast((line) => line.trim() !== "") ?? error.message);
}

/** What went wrong while the cluster was looked at, before anything was changed. */
export function cannotLook(error: unknown, what: string, { namespace }: Kubectl): unknown {
  if (!(error instanceof ToolFailure)) return error;
  const denied = forbiddenIn(error);
  return new HoldfastError("configuration", `${what} cannot be looked at: ${whyNot(error, namespace)}`, {
    hints: [
      error.missing
        ? "Install kubectl on this host, in a version within one minor of the cluster's, and see that it is in the PATH of whoever runs holdfast."
        : denied === undefined
        ? "Check databases.NAME.rollback.kubernetes in holdfast.yaml, and `kubectl --context CONTEXT --namespace NAMESPACE get deployments`."
        : `Give ${denied.user} a role that may ${denied.verb} ${denied.resource}.`,
    ],
    cause: error,
    ...(denied && { details: { ...denied } }),
  });
}
