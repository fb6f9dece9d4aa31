/**
 * The road to Docker and Compose. Project, files, environment files and context are named in every command; what the operator's
 * shell says about them (DOCKER_HOST, COMPOSE_FILE…) is withheld, since it would decide about a rollback without being seen.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

import type { ComposeSettings } from "../../../config/rollback-settings.ts";
import { type ErrorCode, HoldfastError } from "../../../errors.ts";
import { runTool, ToolFailure } from "../../../process/run.ts";

export interface RunCompose {
  /** The project on stdin in place of the configured files; nothing of it touches a disk. */
  readonly model?: string;
  /** Variables that the files themselves name for their secrets. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly failure?: ErrorCode;
}

export interface Docker {
  /** `docker` with the context named. */
  docker(args: readonly string[], signal: AbortSignal, failure?: ErrorCode): Promise<string>;
  /** `docker compose` with everything named. */
  compose(args: readonly string[], run: RunCompose): Promise<string>;
  /** The environment files that are named to Compose. */
  readonly envFiles: readonly string[];
  /** The project's directory, as it is named to Compose. */
  readonly folder: string;
}

/** Compose's own default, which it would read without being told: named, so that it is shown and recorded. */
export function envFilesOf(settings: ComposeSettings): readonly string[] {
  if (settings.envFiles.length > 0) return settings.envFiles;
  const beside = settings.files[0] === undefined ? undefined : join(dirname(settings.files[0]), ".env");
  return beside !== undefined && existsSync(beside) ? [beside] : [];
}

/** What of the operator's environment would contradict the settings; the configuration folder with its logins and plugins stays. */
export function withheld(environment: Readonly<Record<string, string | undefined>>): Record<string, undefined> {
  const names = Object.keys(environment).filter((name) => /^(?:COMPOSE|DOCKER)_/.test(name) && name !== "DOCKER_CONFIG");
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/** @param settings - without a context: the engine at this host's own socket, which Docker calls `default` */
export function dockerFor(settings: ComposeSettings): Docker {
  const context = ["--context", settings.context ?? "default"];
  const envFiles = envFilesOf(settings);
  const folder = dirname(settings.files[0] ?? ".");
  const project = [
    ...["--project-name", settings.project, "--project-directory", folder],
    ...envFiles.flatMap((file) => ["--env-file", file]),
    ...settings.profiles.flatMap((profile) => ["--profile", profile]),
  ];
  const files = settings.files.flatMap((file) => ["--file", file]);
  let version: Promise<void> | undefined;

  const run = async (args: readonly string[], options: { signal: AbortSignal; input?: string; env?: RunCompose["env"]; failure: ErrorCode | undefined; what: string }): Promise<string> => {
    try {
      const env = { ...withheld(process.env), ...options.env };
      return (await runTool(["docker"], [...context, ...args], { signal: options.signal, env, ...(options.input !== undefined && { input: options.input }) })).stdout;
    } catch (error) {
      throw error instanceof ToolFailure ? told(error, settings, options.what, options.failure ?? "configuration") : error;
    }
  };
  const requireV2 = async (signal: AbortSignal): Promise<void> => {
    const said = (await run(["compose", "version", "--short"], { signal, failure: "configuration", what: "docker compose version" })).trim();
    if (Number(/^v?(\d+)\./.exec(said)?.[1] ?? 0) >= 2) return;
    throw new HoldfastError("configuration", `docker compose is of version ${said === "" ? "unknown" : said}; version 2 or later is needed`, { hints: ["Install the Compose plugin of Docker: version 1 ignores options that it does not know."] });
  };
  return {
    envFiles,
    folder,
    docker: (args, signal, failure) => run(args, { signal, failure, what: `docker ${args.slice(0, 2).join(" ")}` }),
    compose: async (args, { model, signal, env, failure }) => {
      await (version ??= requireV2(signal).catch((error: unknown) => {
        version = undefined;
        throw error;
      }));
      const all = ["compose", ...project, ...(model === undefined ? files : ["--file", "-"]), ...args];
      return run(all, { signal, failure, what: `docker compose ${args[0] ?? ""}`, ...(model !== undefined && { input: model }), ...(env && { env }) });
    },
  };
}

/** Compose quotes the value that it cannot interpolate, which may be a password. */
const withoutValues = (text: string): string => text.replaceAll(/(invalid interpolation format for [^:]*:).*/gis, "$1 …");

function told(error: ToolFailure, settings: ComposeSettings, what: string, code: ErrorCode): HoldfastError {
  const where = settings.context === undefined ? "this host's engine" : `the engine of the context ${settings.context}`;
  const lines = withoutValues(error.lastLines);
  if (error.missing) return new HoldfastError("configuration", "docker is not installed, or not in PATH", { hints: ["Install Docker's client with its Compose plugin."], cause: error });
  if (/is not a docker command|unknown shorthand flag|unknown flag: --project-name/i.test(lines)) {
    return new HoldfastError("configuration", "docker has no Compose plugin", { hints: ["Install the Compose plugin of Docker; docker-compose of version 1 is not supported."], cause: error });
  }
  if (/cannot connect|connection refused|is the docker daemon running|error during connect|no such host/i.test(lines)) {
    return new HoldfastError(code, `${where} does not answer: ${lines}`, { hints: [`Start the engine, or check \`docker${settings.context === undefined ? "" : ` --context ${settings.context}`} version\`.`], cause: error });
  }
  if (/permission denied/i.test(lines) && /socket/i.test(lines)) return new HoldfastError(code, `this user may not use ${where}`, { hints: ["Run holdfast as a user of the group docker."], cause: error });
  return new HoldfastError(code, `${what} of project ${settings.project} failed: ${lines === "" ? error.message : lines}`, { cause: error });
}
