/** What all commands share: global flags, the context from configuration and machine, signals, errors as text or JSON. */
import { Command, Errors, Flags, type Interfaces } from "@oclif/core";
import { randomBytes } from "node:crypto";
import { isatty } from "node:tty";

import type { Context } from "../app/context.ts";
import { systemActor } from "../audit/actor.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/config.ts";
import { cancelled, errorTable, HoldfastError } from "../errors.ts";
import { redact } from "../process/redact.ts";
import { describeError, errorJson } from "./error-output.ts";
import { chooseReporter, type ClosableReporter } from "./reporters.ts";

/** After a signal the work stops, cleans up and is given this long; then the process ends anyway. */
const patienceMs = 5_000;

type GlobalFlags = Interfaces.InferredFlags<(typeof BaseCommand)["baseFlags"]>;

export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;

  static override baseFlags = {
    config: Flags.string({ summary: "configuration file", helpValue: "FILE", env: "HOLDFAST_CONFIG", helpGroup: "GLOBAL" }),
    "log-format": Flags.option({ options: ["text", "json"] as const })({ summary: "how events are written to stderr", default: "text", env: "HOLDFAST_LOG_FORMAT", helpGroup: "GLOBAL" }),
    quiet: Flags.boolean({ char: "q", summary: "show warnings and errors only", env: "HOLDFAST_QUIET", helpGroup: "GLOBAL" }),
    verbose: Flags.boolean({ char: "v", summary: "show every step and debug notes", env: "HOLDFAST_VERBOSE", exclusive: ["quiet"], helpGroup: "GLOBAL" }),
  };

  #reporter: ClosableReporter | undefined;
  readonly #interrupt = new AbortController();

  /** Loads the configuration that the flags and the environment name. */
  protected loadConfig(flags: { config?: string | undefined }): Promise<Config> {
    const flagVariables = this.config.commands.flatMap((command) => Object.values(command.flags).flatMap((flag) => flag.env ?? []));
    return loadConfig({ env: process.env, cwd: process.cwd(), file: flags.config, flagVariables });
  }

  /** The context of a story: configuration, ports, and a signal that Ctrl-C and SIGTERM abort. */
  protected async context(flags: GlobalFlags): Promise<Context> {
    const now = (): Date => new Date();
    const reporter = await chooseReporter(
      { format: flags["log-format"], quiet: flags.quiet, verbose: flags.verbose, terminal: isatty(2) && !this.jsonEnabled() },
      (line) => process.stderr.write(`${line}\n`),
      now,
    );
    this.#reporter = reporter;
    const config = await this.loadConfig(flags);
    for (const message of config.warnings) reporter.emit({ type: "note", level: "warn", message });
    this.#listenToSignals();
    return {
      config,
      clock: { now },
      ids: { suffix: () => randomBytes(2).toString("hex") },
      reporter,
      signal: this.#interrupt.signal,
      actor: systemActor(config.operator ?? null, isatty(0)),
      version: this.config.version,
    };
  }

  /** Data for people on stdout; oclif keeps silent here when --json is given. */
  protected print(text: string): void {
    this.log(redact(text));
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    await this.#reporter?.close();
    await super.finally(error);
  }

  protected override async catch(error: Error): Promise<void> {
    await this.#reporter?.close();
    const known = asHoldfastError(error);
    if (known === undefined && error instanceof Errors.ExitError) throw error;
    if (this.jsonEnabled()) process.stdout.write(`${redact(JSON.stringify(errorJson(known ?? error), null, 2))}\n`);
    else process.stderr.write(`${redact(describeError(known ?? error))}\n`);
    process.exitCode = known?.exitCode ?? errorTable.bug.exit;
  }

  #listenToSignals(): void {
    const stop = (name: NodeJS.Signals): void => {
      if (this.#interrupt.signal.aborted) process.exit(errorTable.cancelled.exit);
      this.#interrupt.abort(new HoldfastError("cancelled", `cancelled by ${name}; nothing was published`));
      setTimeout(() => process.exit(errorTable.cancelled.exit), patienceMs).unref();
    };
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, stop);
  }
}

/** Our own errors, and oclif's about flags and arguments in our terms; undefined for a bug. */
export function asHoldfastError(error: unknown): HoldfastError | undefined {
  if (error instanceof HoldfastError) return error;
  if (error instanceof Errors.CLIError && !(error instanceof Errors.ExitError)) {
    const [message = "", ...more] = error.message.split("\n").filter((line) => line.trim() !== "");
    return new HoldfastError("usage", lowerFirst(message), { hints: more.filter((line) => !line.startsWith("See more help")).concat("Run the command with --help to see its flags and arguments."), cause: error });
  }
  return error instanceof Error && error.name === "AbortError" ? cancelled() : undefined;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/[.:]$/, "");
}
