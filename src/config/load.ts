/** Loads the configuration: the file, the environment over it, secrets from where they lie, defaults last. */
import { access } from "node:fs/promises";
import { join } from "node:path";

import { HoldfastError } from "../errors.ts";
import { registerSecret } from "../process/redact.ts";
import type { Config, DatabaseConfig } from "./config.ts";
import { copiesInOrder } from "./copies-schema.ts";
import { overlayEnvironment, unknownVariables } from "./environment.ts";
import { type ConfigFile, isRecord, type Places, placesOf, readConfigFile } from "./file.ts";
import { problemsOf } from "./problems.ts";
import { configSchema, type ParsedConfig } from "./schema.ts";
import { drillSettings } from "./drill-schema.ts";
import { retentionSettings } from "./retention-schema.ts";
import { rollbackSettings } from "./rollback-schema.ts";
import { hasPassword } from "./secrets.ts";
import { readableByAll, type Reading, sourceReading } from "./sources.ts";

export interface LoadOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** The file to read, as `--config` names it. */
  readonly file?: string | undefined;
  /** Variables that belong to flags, so that they are not reported as unknown. */
  readonly flagVariables?: readonly string[];
}

/**
 * Loads, checks and resolves the configuration. Every secret that is read is registered for redaction.
 * @throws HoldfastError `configuration` that names every problem at once, none with a secret
 */
export async function loadConfig(options: LoadOptions): Promise<Config> {
  const { env, cwd } = options;
  const places = placesOf(env);
  const file = await readConfigFile(options.file, env, cwd, places);
  const overlay = overlayEnvironment(file, env, cwd, places.home);
  const warnings = [...overlay.warnings, ...unknownVariables(env, options.flagVariables)];
  const folder = file === undefined ? cwd : join(file.path, "..");
  const reading = sourceReading({ env, folder, home: places.home, warnings });
  // The SDK reads these itself; its errors and the headers that it logs pass through our redaction.
  registerSecret(env["AWS_SECRET_ACCESS_KEY"]);
  registerSecret(env["AWS_SESSION_TOKEN"]);

  const parsed = await configSchema(reading).safeParseAsync(overlay.content, { reportInput: true });
  const problems = [...overlay.problems, ...(parsed.success ? [] : problemsOf(parsed.error.issues, overlay.origins))];
  if (!parsed.success || problems.length > 0) throw wrong(problems, file);
  if (file !== undefined && holdsSecret(file) && (await readableByAll(file.path))) {
    warnings.push(`everybody on this machine can read the secrets in ${file.path}; \`chmod 600\` it, or move them out with { env }, { file } or { command }`);
  }
  return withDefaults(parsed.data, { databaseNames: overlay.databaseNames, copies: overlay.content["copies"], origins: overlay.origins, places, reading, source: file?.path, warnings });
}

function wrong(problems: readonly string[], file: ConfigFile | undefined): HoldfastError {
  const where = file?.path ?? "the environment";
  const [first = ""] = problems;
  const message = problems.length === 1 ? `${where}: ${first}` : `${problems.length} problems in ${where}:\n${problems.map((problem) => `  ${problem}`).join("\n")}`;
  return new HoldfastError("configuration", message, {
    hints: ["Correct it, then run `holdfast config validate`; docs/reference/configuration.md lists every key and variable."],
    details: { problems },
  });
}

/** Whether a secret is written in the file itself. */
function holdsSecret({ content }: ConfigFile): boolean {
  const valuesOf = (value: unknown): unknown[] => (isRecord(value) ? Object.values(value) : []);
  const databases = valuesOf(content["databases"]);
  const drillServers = databases.map((database) => (isRecord(database) && isRecord(database["drill"]) ? database["drill"]["server"] : undefined));
  const repositories = [content["repository"], ...valuesOf(content["copies"])];
  const urls = [...[...databases, ...repositories].map((holder) => (isRecord(holder) ? holder["url"] : holder)), ...drillServers];
  const credentials = repositories.flatMap((repository) => (isRecord(repository) && isRecord(repository["credentials"]) ? [repository["credentials"]] : []));
  return urls.some((url) => typeof url === "string" && hasPassword(url)) || credentials.some(({ secretAccessKey }) => typeof secretAccessKey === "string");
}

interface Surroundings {
  readonly databaseNames: readonly string[];
  /** `copies` as written. */
  readonly copies: unknown;
  readonly origins: ReadonlyMap<string, string>;
  readonly places: Places;
  readonly reading: Reading;
  readonly source: string | undefined;
  readonly warnings: readonly string[];
}

async function withDefaults(parsed: ParsedConfig, { databaseNames, copies, origins, places, reading, source, warnings }: Surroundings): Promise<Config> {
  const signersFile = join(places.configDir, "trusted-signers.pem");
  const keyFile = join(places.configDir, "signing-key.pem");
  return {
    databases: inOrder(parsed.databases, databaseNames),
    repository: parsed.repository,
    copies: new Map([...copiesInOrder(parsed.copies, copies)].map(([name, { retention, ...place }]) => [name, { ...place, ...(retention && { retention: retentionSettings(retention) }) }])),
    recipients: parsed.recipients,
    identityFile: parsed.identityFile,
    signingKeyFile: parsed.signingKeyFile ?? ((await exists(keyFile)) ? keyFile : undefined),
    trustedSigners: parsed.trustedSigners ?? ((await exists(signersFile)) ? await defaultSigners(signersFile, reading) : undefined),
    pgBin: parsed.pgBin,
    operator: parsed.operator,
    stateDir: parsed.stateDir ?? places.stateDir,
    tempDir: parsed.tempDir,
    source,
    warnings,
    origins,
  };
}

async function defaultSigners(path: string, reading: Reading): Promise<string> {
  try {
    return await reading.file(path);
  } catch (error) {
    throw new HoldfastError("configuration", `trustedSigners: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function inOrder(databases: ParsedConfig["databases"], names: readonly string[]): ReadonlyMap<string, DatabaseConfig> {
  const entries = names.flatMap((name): [string, DatabaseConfig][] => {
    const database = databases[name];
    return database === undefined ? [] : [[name, { name, ...database, tools: database.tools, appVersion: database.appVersion, canary: database.canary, drill: drillSettings(database.drill), retention: database.retention && retentionSettings(database.retention), rollback: database.rollback && rollbackSettings(database.rollback) }]];
  });
  return new Map(entries);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}
