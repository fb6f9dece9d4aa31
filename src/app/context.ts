/** What every story gets: the configuration, the ports, and who is asking. */
import type { Actor } from "../audit/actor.ts";
import { rememberRepository } from "../audit/known.ts";
import { openTimeline, type Timeline } from "../audit/timeline.ts";
import { openRepository, type Repository } from "../catalog/repository.ts";
import { loadSigner, loadTrustedSigners, type Signer, type TrustedSigner } from "../catalog/signatures.ts";
import { describeWindow, isValidAt } from "../catalog/signer-window.ts";
import type { Config, DatabaseConfig } from "../config/config.ts";
import { readTextFile } from "../config/files.ts";
import { HoldfastError } from "../errors.ts";
import { parseIdentityFile } from "../pipeline/age-keys.ts";
import type { Clock, Ids, Reporter } from "../ports.ts";
import { type Connection, parseDatabaseUrl } from "../postgres/connection.ts";
import { reachServer, reachServerBeside, type Server } from "../postgres/server.ts";
import { openConfiguredStore } from "./open-configured-store.ts";

export interface Context {
  readonly config: Config;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly reporter: Reporter;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  readonly actor: Actor;
  /** Holdfast's own version. */
  readonly version: string;
}

/** The database that is meant: the one named, or the only one. @throws HoldfastError `configuration` or `not-found` */
export function databaseNamed(config: Config, name?: string): DatabaseConfig {
  const names = [...config.databases.keys()];
  if (names.length === 0) {
    throw new HoldfastError("configuration", "no database is configured", { hints: ["Set DATABASE_URL, or list databases in holdfast.yaml."] });
  }
  if (name === undefined && names.length > 1) {
    throw new HoldfastError("usage", `several databases are configured: ${names.join(", ")}`, { hints: ["Say which one is meant with --database NAME."] });
  }
  const found = config.databases.get(name ?? names[0] ?? "");
  if (found === undefined) {
    throw new HoldfastError("not-found", `no database ${name ?? ""} is configured; there ${names.length === 1 ? "is" : "are"} ${names.join(", ")}`, {
      hints: ["Check --database against `holdfast config show`."],
    });
  }
  return found;
}

/** Why each thing has to be signed, in a clause that is true of it. */
const unsigned = {
  "backup": "an unsigned backup would not be restored",
  "checkpoint": "nothing would go back to an unsigned checkpoint",
  "deploy": "an unsigned record of a deploy would not be believed",
  "rollback": "a rollback whose plan and journal nobody signed could not be resumed",
  "runbook": "an execution whose journal nobody signed could not be resumed",
  "rehearsal": "unsigned evidence of a rehearsal would not count",
  "drill": "unsigned evidence of a drill would not count",
  "certification": "an unsigned certification would not count",
  "incident": "an unsigned record of an incident would not be believed",
  "rewrap": "a backup's key that nobody signed would not be used",
  "shred": "an unsigned record of what was shredded would not be believed",
} as const;

/** The key that signs what this host writes. @param what - is to be signed @throws HoldfastError `configuration` if there is none, or its window does not hold `now` */
export async function requireSigner(config: Config, what: keyof typeof unsigned, now = new Date()): Promise<Signer> {
  const signer = await configuredSigner(config);
  if (signer) {
    const listed = (await trustedSigners(config)).find(({ id }) => id === signer.id);
    if (listed === undefined || isValidAt(listed, now)) return signer;
    throw new HoldfastError("configuration", `the signing key ${signer.id} counts ${describeWindow(listed)} only, but it is ${now.toISOString()}: nobody would trust what it signs now`, {
      hints: ["Make the next one with `holdfast keys generate`, and give it to this host with HOLDFAST_SIGNING_KEY_FILE; docs/keys.md shows how keys are rotated.", "Or correct the dates in HOLDFAST_TRUSTED_SIGNERS."],
    });
  }
  throw new HoldfastError("configuration", `no signing key is configured, and ${unsigned[what]}`, {
    hints: ["Make one with `holdfast keys generate`, and name it with HOLDFAST_SIGNING_KEY_FILE."],
  });
}

export async function configuredSigner(config: Config): Promise<Signer | undefined> {
  const file = config.signingKeyFile;
  return file === undefined ? undefined : loadSigner(await readTextFile(file, "the signing key"), file);
}

/** Our own key while it counts: an entry that it signed later would look like a stranger's. */
async function presentSigner(config: Config, trusted: readonly TrustedSigner[], now: Date): Promise<Signer | undefined> {
  const signer = await configuredSigner(config);
  const listed = trusted.find(({ id }) => id === signer?.id);
  return listed === undefined || isValidAt(listed, now) ? signer : undefined;
}

/** Whose signatures count: the configured public keys, and the public half of our own signing key. */
export async function trustedSigners(config: Config): Promise<TrustedSigner[]> {
  const configured = config.trustedSigners === undefined ? [] : loadTrustedSigners(config.trustedSigners, "HOLDFAST_TRUSTED_SIGNERS");
  const own = await configuredSigner(config);
  return own && !configured.some(({ id }) => id === own.id) ? [...configured, ...loadTrustedSigners(own.publicKeyPem, "the signing key")] : configured;
}

/** The identities at hand. @throws HoldfastError `cannot-decrypt` if none is configured */
export async function requireIdentities(config: Config): Promise<string[]> {
  const file = config.identityFile;
  if (file === undefined) {
    throw new HoldfastError("cannot-decrypt", "no identity is configured, so no backup can be opened", {
      hints: ["Set HOLDFAST_IDENTITY_FILE to the file with the age identity; on backup hosts there should be none."],
    });
  }
  return parseIdentityFile(await readTextFile(file, "the identity file"), file);
}

/** The repository with what is needed to write history into it. */
export interface Workplace {
  readonly repository: Repository;
  readonly timeline: Timeline;
  close(): Promise<void>;
}

/** What tells one configured repository from another on this host. */
export function repositoryLocation({ repository }: Config): string {
  return `${repository?.url ?? ""} ${repository?.endpoint ?? ""}`;
}

/** Opens the configured repository and its timeline. */
export async function openWorkplace(context: Context): Promise<Workplace> {
  const { config } = context;
  const trusted = await trustedSigners(config);
  const signer = await presentSigner(config, trusted, context.clock.now());
  const store = await openConfiguredStore(config);
  try {
    const repository = await openRepository(store, trusted);
    // A state folder that cannot be written is the timeline's to report, when it has something to write.
    await rememberRepository(config.stateDir, repositoryLocation(config), repository.id).catch(() => undefined);
    const timeline = openTimeline({
      store,
      stateDir: config.stateDir,
      repositoryId: repository.id,
      clock: context.clock,
      actor: context.actor,
      version: context.version,
      ...(signer && { signer }),
    });
    return { repository, timeline, close: () => store.close() };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Reaches the server of a configured database with the client programs that its configuration names. */
export async function reachDatabase(context: Context, database: DatabaseConfig): Promise<Server> {
  return reachUrl(context, parseDatabaseUrl(database.url), database.tools);
}

/** Where a restore or an undo goes: a server, and the name of a database there, which need not exist. */
export interface Target {
  readonly server: Server;
  readonly name: string;
}

const urlLike = /^(?:[a-z][a-z0-9+]*:\/\/|socket:)/i;

/** The target as the timeline may keep it: of a URL its scheme only, until it is understood. */
export function shownTarget(into: string): string {
  const scheme = urlLike.exec(into)?.[0];
  return scheme === undefined ? into : `${scheme}…`;
}

/**
 * Reaches the server of a target: a name is a database of the configured server, a URL names server and database.
 * @param into - by default the configured database itself
 */
export async function reachTarget(context: Context, database: DatabaseConfig, into?: string): Promise<Target> {
  if (into === "") throw new HoldfastError("usage", "the target is empty, but must name a database");
  const isUrl = into !== undefined && urlLike.test(into);
  const connection = parseDatabaseUrl(isUrl ? into : database.url);
  const search = { pgBin: context.config.pgBin, prefix: isUrl ? undefined : database.tools };
  const server = await reachServerBeside(connection, search, context.signal);
  if (isUrl && connection.database === undefined) throw new HoldfastError("usage", "the URL of the target names no database");
  const name = into === undefined || isUrl ? (connection.database ?? server.facts.database) : into;
  // PostgreSQL would cut it without a word, and another database would be made or replaced.
  if (Buffer.byteLength(name) > 63) throw new HoldfastError("usage", `the target's name has ${Buffer.byteLength(name)} bytes, but PostgreSQL keeps 63: ${name}`);
  return { server, name };
}

/** Reaches the server behind a connection. */
export function reachUrl(context: Context, connection: Connection, tools?: readonly string[]): Promise<Server> {
  return reachServer(connection, { pgBin: context.config.pgBin, prefix: tools }, context.signal);
}
