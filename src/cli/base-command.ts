/** What all commands share: global flags, the context from configuration and machine, signals, errors as text or JSON. */
import { Command } from "@oclif/core/command";
import { ExitError } from "@oclif/core/errors";
import * as Flags from "@oclif/core/flags";
import type { Interfaces } from "@oclif/core";
import { randomBytes } from "node:crypto";
import { isatty } from "node:tty";

import type { Context } from "../app/context.ts";
import { systemActor } from "../audit/actor.ts";
import type { Config } from "../config/config.ts";
import { errorTable, HoldfastError } from "../errors.ts";
import { redact } from "../process/redact.ts";
import { type Audience, audienceOf, tellFailure } from "./failure.ts";
import { type Interruption, listenToSignals } from "./interruption.ts";
import type { Asking } from "./ask.ts";
import { chooseReporter, type PausableReporter } from "./reporters.ts";
import { booleanVariables, type FlagShape, splitList } from "./variables.ts";

type GlobalFlags = Interfaces.InferredFlags<(typeof BaseCommand)["baseFlags"]>;
type OutputFlags = Interfaces.OutputFlags<Interfaces.FlagInput>;
type OutputArgs = Interfaces.OutputArgs<Interfaces.ArgInput>;

export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;

  static override baseFlags = {
    json: Flags.boolean({ summary: "print the result, or the failure, as JSON on stdout", helpGroup: "GLOBAL" }),
    config: Flags.string({ summary: "configuration file", helpValue: "FILE", env: "HOLDFAST_CONFIG", helpGroup: "GLOBAL" }),
    "log-format": Flags.option({ options: ["text", "json"] as const })({ summary: "how events are written to stderr", default: "text", env: "HOLDFAST_LOG_FORMAT", helpGroup: "GLOBAL" }),
    quiet: Flags.boolean({ char: "q", summary: "show warnings and errors only", env: "HOLDFAST_QUIET", helpGroup: "GLOBAL" }),
    verbose: Flags.boolean({ char: "v", summary: "show every step and debug notes", env: "HOLDFAST_VERBOSE", exclusive: ["quiet"], helpGroup: "GLOBAL" }),
  };

  /** What a run that was ended in the middle of its cleaning up may leave behind, as hints. */
  protected readonly leftBehind: readonly string[] = [];

  #reporter: PausableReporter | undefined;
  #interruption: Interruption | undefined;
  readonly #printed: string[] = [];

  /** Loads the configuration that the flags and the environment name. */
  protected async loadConfig(flags: { config?: string | undefined }): Promise<Config> {
    const { loadConfig } = await import("./configuration.ts");
    const flagVariables = this.config.commands.flatMap((command) => Object.values(command.flags).flatMap((flag) => flag.env ?? []));
    return loadConfig({ env: process.env, cwd: process.cwd(), file: flags.config, flagVariables });
  }

  /** The context of a story: configuration (as seen from the repository that --from names), ports, and a signal that Ctrl-C, SIGTERM and SIGHUP abort. */
  protected async context(flags: GlobalFlags & { readonly from?: string | undefined }): Promise<Context> {
    const now = (): Date => new Date();
    this.#interruption = listenToSignals((why) => { this.#giveUp(why); });
    const reporter = await chooseReporter({ format: flags["log-format"], quiet: flags.quiet, verbose: flags.verbose }, process.stderr, now);
    this.#reporter = reporter;
    const { standingAt } = await import("./configuration.ts");
    const config = standingAt(await this.loadConfig(flags), flags.from);
    for (const message of config.warnings) reporter.emit({ type: "note", level: "warn", message });
    return {
      config,
      clock: { now },
      ids: { suffix: () => randomBytes(2).toString("hex") },
      reporter,
      signal: this.#interruption.signal,
      actor: systemActor(config.operator ?? null, isatty(0)),
      version: this.config.version,
    };
  }

  /** What a question at the terminal needs to know. */
  protected asking({ signal }: Context): Asking {
    return { signal, forScript: this.jsonEnabled(), pause: async () => this.#reporter?.pause() };
  }

  /** Data for people on stdout, once the steps are drawn to their end; silent when --json is given. */
  protected print(text: string): void {
    this.#printed.push(redact(text));
  }

  protected override async parse<F extends OutputFlags, B extends OutputFlags, A extends OutputArgs>(
    options?: Interfaces.Input<F, B, A>,
    argv?: string[],
  ): Promise<Interfaces.ParserOutput<F, B, A>> {
    const shapes: Record<string, FlagShape> = { ...options?.baseFlags, ...options?.flags };
    for (const [name, value] of booleanVariables(shapes, process.env)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
    const parsed = await super.parse<F, B, A>(options, argv);
    const flags: Record<string, unknown> = parsed.flags;
    for (const [name, { multiple }] of Object.entries(shapes)) if (multiple === true) flags[name] = splitList(flags[name]);
    return parsed;
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    this.#interruption?.over();
    await this.#reporter?.close();
    for (const text of this.#printed.splice(0)) this.log(text);
    await super.finally(error);
  }

  protected override async catch(error: Error): Promise<void> {
    await this.#reporter?.close();
    if (error instanceof ExitError) throw error;
    tellFailure(error, this.#audience());
  }

  #audience(): Audience {
    return this.jsonEnabled() ? "script" : audienceOf(process.argv, process.env);
  }

  #giveUp(why: HoldfastError | undefined): void {
    void this.#reporter?.close();
    if (why) tellFailure(new HoldfastError(why.code, why.message, { hints: this.leftBehind }), this.#audience());
    process.exit(errorTable.cancelled.exit);
  }
}
