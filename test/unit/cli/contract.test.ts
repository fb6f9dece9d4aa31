/** What scripts and habits depend on: every command's flags, arguments, variables and help. A change here is a change for users. */
import { Config, type Command } from "@oclif/core";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "vitest";

import { Help } from "../../../src/cli/help.ts";
import packageJson from "../../../package.json" with { type: "json" };

const root = join(import.meta.dirname, "../../..");
const snapshot = (name: string): string => join(dirname(import.meta.filename), "__contract__", name);

let config: Config;
let commands: Command.Loadable[];

beforeAll(async () => {
  const pjson = { ...packageJson, oclif: { ...packageJson.oclif, commands: "./commands" } } as never;
  config = await Config.load({ root, pjson, ignoreManifest: true });


  commands = config.commands.toSorted((a, b) => (a.id < b.id ? -1 : 1));
});

const name = (command: Command.Loadable): string => command.id.replaceAll(":", " ");

/** Flags that must be meant each time, and oclif's own. */
const withoutVariable = new Set(["confirm", "swap", "accept-incompatible", "skip-safety-backup", "leave-as-is", "yes-step", "json", "help"]);

test("flags, arguments and variables of every command are the ones that were agreed", async () => {
  const shape = commands.map((command) => ({
    command: name(command),
    args: Object.values(command.args).map((arg) => ({ name: arg.name, required: arg.required ?? false, options: arg.options })),
    flags: Object.values(command.flags)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((flag) => ({
        name: `--${flag.name}`,
        char: flag.char,
        type: flag.type,
        env: flag.env,
        default: flag.default as unknown,
        required: flag.required === true ? true : undefined,
        exclusive: flag.exclusive,
        ...(flag.type === "option" && { options: flag.options, multiple: flag.multiple === true ? true : undefined }),
      })),
  }));
  await expect(`${JSON.stringify(shape, null, 2)}\n`).toMatchFileSnapshot(snapshot("flags.json"));
});

test("the help of the program and of every command reads as it was agreed", async () => {
  const pages: string[] = [];
  class Recorded extends Help {
    protected override log(...lines: string[]): void {
      pages.push(lines.join("\n"));
    }
  }
  const help = new Recorded(config, { maxWidth: 120, stripAnsi: true });
  await help.showHelp([]);
  for (const command of commands) {
    pages.push(`\n${"=".repeat(20)} ${name(command)} ${"=".repeat(20)}\n`);
    await help.showCommandHelp({ ...command, flags: { ...command.flags } });
  }
  const text = pages.join("\n").replace(/holdfast\/\S+ \S+ \S+/, "holdfast/VERSION").split("\n").map((line) => line.trimEnd()).join("\n");
  await expect(`${text}\n`).toMatchFileSnapshot(snapshot("help.txt"));
});

test("every flag has an environment variable, but those that must be meant each time", () => {
  const without = commands.flatMap((command) => Object.values(command.flags).filter((flag) => flag.env === undefined && !withoutVariable.has(flag.name)).map((flag) => `${name(command)} --${flag.name}`));
  expect(without).toEqual([]);
  expect(commands.flatMap((command) => Object.values(command.flags)).filter((flag) => withoutVariable.has(flag.name) && flag.env !== undefined)).toEqual([]);
});

test("no two flags of a command share a variable, and a variable means the same in every command", () => {
  const meanings = new Map<string, Set<string>>();
  for (const command of commands) {
    const variables = Object.values(command.flags).flatMap((flag) => flag.env ?? []);
    expect(variables, name(command)).toHaveLength(new Set(variables).size);
    for (const flag of Object.values(command.flags)) if (flag.env !== undefined) meanings.set(flag.env, (meanings.get(flag.env) ?? new Set()).add(`--${flag.name}, ${flag.type}${flag.type === "option" && flag.multiple ? ", several" : ""}`));
  }
  expect([...meanings].filter(([, set]) => set.size > 1).map(([variable, set]) => [variable, ...set])).toEqual([]);
});

test("every command says in a line what it does, and shows at least one example", () => {
  expect(commands.filter((command) => !command.summary || command.summary.length > 100 || command.summary.endsWith(".")).map(name)).toEqual([]);
  expect(commands.filter((command) => (command.examples ?? []).length === 0).map(name)).toEqual([]);
});
