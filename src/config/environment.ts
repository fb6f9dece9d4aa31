/** Lays the environment over the file's content, so that both are parsed by the same schema. The environment wins. */
import { anyName, envVariables, type Field, fields, steering } from "./fields.ts";
import { type ConfigFile, isRecord } from "./file.ts";
import { nearest } from "./nearest.ts";
import { databaseName, databaseNameRule } from "./schema.ts";
import { absolutePath } from "./sources.ts";

export interface Overlay {
  readonly content: Record<string, unknown>;
  readonly databaseNames: readonly string[];
  /** `file` or a variable's name, by dotted path. */
  readonly origins: Map<string, string>;
  readonly problems: string[];
  readonly warnings: string[];
}

const databaseUrl = "DATABASE_URL";

interface Given {
  readonly variable: string;
  readonly value: unknown;
}

/** What compose files and unit files leave behind for an optional value: empty means unset. */
function filled(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === "" ? undefined : text;
}

export function overlayEnvironment(file: ConfigFile | undefined, env: NodeJS.ProcessEnv, cwd: string, home: string): Overlay {
  const content = structuredClone({ ...file?.content });
  if (typeof content["repository"] === "string") content["repository"] = { url: content["repository"] };
  const overlay: Overlay = { content, databaseNames: [], origins: new Map(), problems: [], warnings: [] };
  markFile(content, [], overlay.origins);

  const target = targetDatabase(content, env, overlay);
  for (const field of fields) {
    if (field.variable === databaseUrl && !target.takesUrl) continue;
    const given = fromEnvironment(field, env, cwd, home, overlay.problems);
    if (given === undefined) continue;
    const path = field.path.map((key) => (key === anyName ? target.name : key));
    if (path.every((key) => key !== undefined)) set(overlay, path, given);
    else overlay.warnings.push(`${given.variable} is ignored: set ${steering.database} to the database that it is about`);
  }
  const names = file?.databaseNames ?? [];
  const databases = content["databases"];
  const added = isRecord(databases) ? Object.keys(databases).filter((name) => !names.includes(name)) : [];
  return { ...overlay, databaseNames: [...names, ...added] };
}

function markFile(value: unknown, path: readonly string[], origins: Map<string, string>): void {
  if (path.length > 0) origins.set(path.join("."), "file");
  if (isRecord(value)) for (const [key, inner] of Object.entries(value)) markFile(inner, [...path, key], origins);
}

interface Target {
  /** The database that the variables of a database are about; undefined if nothing says which. */
  readonly name: string | undefined;
  /** Whether DATABASE_URL is its URL. */
  readonly takesUrl: boolean;
}

function targetDatabase(content: Record<string, unknown>, env: NodeJS.ProcessEnv, { problems, warnings }: Overlay): Target {
  const named = filled(env[steering.database])?.trim();
  const inFile = isRecord(content["databases"]) ? Object.keys(content["databases"]) : [];
  const urlGiven = (filled(env[databaseUrl]) ?? filled(env[`${databaseUrl}_FILE`])) !== undefined;
  if (urlGiven && !refersToUrl(content, env)) {
    if (named !== undefined && databaseName.test(named)) return { name: named, takesUrl: true };
    if (named !== undefined) problems.push(`${steering.database} is ${JSON.stringify(named)}, but ${databaseNameRule}`);
    else if (inFile.length === 0 || inFile.includes("main")) return { name: "main", takesUrl: true };
    else warnings.push(`${databaseUrl} is ignored: the file names its databases; set ${steering.database} to the one whose URL it replaces`);
  }
  const only = inFile.length === 1 ? inFile[0] : undefined;
  return { name: named === undefined ? only : inFile.find((name) => name === named), takesUrl: false };
}

/** A file whose entry refers to DATABASE_URL has said whose URL it is: it replaces no other entry's. */
function refersToUrl(content: Record<string, unknown>, env: NodeJS.ProcessEnv): boolean {
  if (filled(env[databaseUrl]) === undefined || !isRecord(content["databases"])) return false;
  return Object.values(content["databases"]).some((database) => isRecord(database) && isRecord(database["url"]) && database["url"]["env"] === databaseUrl);
}

function fromEnvironment(field: Field, env: NodeJS.ProcessEnv, cwd: string, home: string, problems: string[]): Given | undefined {
  const { variable } = field;
  if (variable === undefined) return undefined;
  const fileVariable = `${variable}_FILE`;
  const text = filled(env[variable]);
  const file = field.fileVariable === true ? filled(env[fileVariable]) : undefined;
  if (text !== undefined && file !== undefined) {
    problems.push(`${variable} and ${fileVariable} are both set, but only one of them may be`);
    return undefined;
  }
  if (file !== undefined) return { variable: fileVariable, value: { file: absolutePath(file, cwd, home) } };
  return text === undefined ? undefined : { variable, value: valueOf(field, text, cwd, home) };
}

/** The text as the value that its writer meant; what does not fit is left for the schema to refuse. */
function valueOf(field: Field, text: string, cwd: string, home: string): unknown {
  const trimmed = text.trim();
  switch (field.kind) {
    case "number":
      return /^-?\d+$/.test(trimmed) ? Number(trimmed) : trimmed;
    case "boolean":
      return /^(?:true|yes|on|1)$/i.test(trimmed) ? true : /^(?:false|no|off|0)$/i.test(trimmed) ? false : trimmed;
    case "list": {
      const items = trimmed.split(/[,\n]/).map((item) => item.trim()).filter((item) => item !== "");
      return items.length === 1 && /^(?:none|all)$/.test(trimmed) ? trimmed : items;
    }
    case "path":
      return trimmed.includes("-----BEGIN") ? trimmed : absolutePath(trimmed, cwd, home);
    default:
      return trimmed;
  }
}

function set(overlay: Overlay, path: readonly string[], { variable, value }: Given): void {
  let at = overlay.content;
  for (const key of path.slice(0, -1)) {
    const inner = Object.hasOwn(at, key) ? at[key] : undefined;
    // A list or a text in the place of a map is the file's mistake: leave it for the schema to name.
    if (inner !== undefined && inner !== null && !isRecord(inner)) return;
    at = inner ?? (at[key] = {});
  }
  at[path.at(-1) ?? ""] = value;
  overlay.origins.set(path.join("."), variable);
}

/** A Service named `holdfast` makes Kubernetes set these in every pod of the namespace. */
const fromKubernetes = /^HOLDFAST_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)$/;

/** Sentences about variables that begin as ours do and that nothing reads. `others` are those of the commands' flags. */
export function unknownVariables(env: NodeJS.ProcessEnv, others: readonly string[] = []): string[] {
  const known = new Set([...envVariables.flatMap(({ name, fileVariable }) => (fileVariable === undefined ? [name] : [name, fileVariable])), ...others]);
  const unknown = Object.keys(env).filter((name) => name.startsWith("HOLDFAST_") && !known.has(name) && !fromKubernetes.test(name));
  return unknown.sort().map((name) => {
    const meant = nearest(name.replace("HOLDFAST_", ""), [...known].map((each) => each.replace("HOLDFAST_", "")));
    return `nothing reads the environment variable ${name}${meant === undefined ? "" : `; did you mean HOLDFAST_${meant}?`}`;
  });
}
