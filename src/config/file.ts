/** Finds and reads holdfast.yaml. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { isMap, isScalar, LineCounter, parseDocument } from "yaml";

import { HoldfastError, messageOf, systemCodeOf } from "../errors.ts";
import { steering } from "./fields.ts";
import { absolutePath } from "./sources.ts";

export interface ConfigFile {
  readonly path: string;
  readonly content: Readonly<Record<string, unknown>>;
  /** Names of the databases as the file orders them; an object would move names like `2024` to the front. */
  readonly databaseNames: readonly string[];
}

export interface Places {
  readonly home: string;
  readonly configDir: string;
  readonly stateDir: string;
}

/** The folders of the XDG base directory rules, which ignore a relative one. */
export function placesOf(env: NodeJS.ProcessEnv): Places {
  const home = env["HOME"] === undefined || env["HOME"] === "" ? homedir() : env["HOME"];
  const base = (name: string, otherwise: string): string => {
    const given = env[name];
    return join(given !== undefined && isAbsolute(given) ? given : join(home, otherwise), "holdfast");
  };
  return { home, configDir: base("XDG_CONFIG_HOME", ".config"), stateDir: base("XDG_STATE_HOME", ".local/state") };
}

/**
 * Reads the file that is named, or the first that is found; undefined if there is none.
 * @throws HoldfastError `configuration` for a named file that cannot be read, and for what is not YAML
 */
export async function readConfigFile(named: string | undefined, env: NodeJS.ProcessEnv, cwd: string, places: Places): Promise<ConfigFile | undefined> {
  const given = named ?? filled(env[steering.config]);
  if (given !== undefined) {
    const path = absolutePath(given, cwd, places.home);
    return parse(path, await readFile(path, "utf8").catch((error: unknown) => unreadable(path, error)));
  }
  for (const path of [join(cwd, "holdfast.yaml"), join(places.configDir, "holdfast.yaml"), "/etc/holdfast/holdfast.yaml"]) {
    const text = await readFile(path, "utf8").catch((error: unknown) => (isAbsent(error) ? undefined : unreadable(path, error)));
    if (text !== undefined) return parse(path, text);
  }
  return undefined;
}

function filled(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === "" ? undefined : text;
}

function isAbsent(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(systemCodeOf(error) ?? "");
}

function unreadable(path: string, error: unknown): never {
  throw new HoldfastError("configuration", `cannot read the configuration file ${path} (${systemCodeOf(error) ?? messageOf(error)})`, {
    hints: [`Create the file, or correct --config or ${steering.config}; without a file the environment suffices.`],
    cause: error,
  });
}

function parse(path: string, text: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) {
    const problems = broken.map(({ pos: [offset], message }) => {
      const { line, col } = lines.linePos(offset);
      return `line ${line}, column ${col}: ${withoutSource(message)}`;
    });
    throw notConfiguration(path, `is not valid YAML: ${problems.join("; ")}`);
  }
  let content: unknown;
  try {
    content = document.toJS() ?? {};
  } catch (error) {
    throw notConfiguration(path, `is not valid YAML: ${withoutSource(messageOf(error))}`);
  }
  if (!isRecord(content)) throw notConfiguration(path, "must be a map of keys");
  const databases = document.get("databases");
  const databaseNames = isMap(databases) ? databases.items.map(({ key }) => String(isScalar(key) ? key.value : key)) : [];
  return { path, content, databaseNames };
}

/** The parser's messages may end in a piece of the file, which may be a password. */
function withoutSource(message: string): string {
  const [said = ""] = message.split(/: |"/, 1);
  return said.charAt(0).toLowerCase() + said.slice(1).trimEnd();
}

function notConfiguration(path: string, problem: string): HoldfastError {
  return new HoldfastError("configuration", `${path} ${problem}`, {
    hints: ["Correct the file, then run `holdfast config validate`."],
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
