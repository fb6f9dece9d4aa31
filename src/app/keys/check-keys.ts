/** The story of a look at the keys: which identity at hand opens which backup, and how many could. */
import { manifestSigner } from "../../catalog/authenticity.ts";
import type { KeyHolders } from "../../catalog/key-sidecar.ts";
import { type CatalogEntry, listBackups } from "../../catalog/listing.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import { runStep } from "../../ports.ts";
import { type Context, requireIdentities, type Workplace } from "../context.ts";
import { type Identity, keyAccess, type KeyAccess, namedIdentities } from "./key-access.ts";
import { throwFailures } from "./key-failures.ts";
import { inWorkplace } from "../record.ts";
import { repositoryDatabases } from "../repository/repository-databases.ts";

export interface KeyCheckOptions {
  readonly database?: string | undefined;
  /** So many of each database's backups: the newest, the oldest, and evenly between. All by default. */
  readonly sample?: number | undefined;
  /** Warn of a backup that fewer keys open. */
  readonly minimum: number;
}

/** What is known of one backup's key. */
export interface KeyVerdict {
  readonly id: string;
  readonly database: string;
  readonly ok: boolean;
  /** Recipient stanzas in `key.age`; undefined if it could not be read. */
  readonly stanzas?: number;
  /** To whom it is encrypted as the signed record says, and which record. */
  readonly recipients: readonly string[];
  readonly source?: KeyHolders["source"];
  readonly identities: KeyAccess["identities"];
  /** Configured recipients that cannot open it. */
  readonly missing: readonly string[];
  /** Recipients that are not configured any more and can open it. */
  readonly former: readonly string[];
  readonly warnings: readonly string[];
  readonly error?: HoldfastError;
}

/**
 * Tries every identity at hand on every backup's key, or on a sample of them.
 * @returns a verdict for each; never empty
 * @throws HoldfastError `cannot-decrypt` if no identity is configured or one opens with none, `integrity` if a key is damaged, `not-found` if there is no backup
 */
export async function checkBackupKeys(context: Context, options: KeyCheckOptions): Promise<KeyVerdict[]> {
  const action = { action: "keys check", subject: { ...(options.database !== undefined && { database: options.database }) } };
  return inWorkplace(context, action, async (workplace, subject) => {
    const identities = await namedIdentities(await requireIdentities(context.config));
    const databases = await repositoryDatabases(workplace.repository, options.database);
    context.reporter.emit({ type: "plan", steps: databases.map((name) => ({ id: name, title: `check the keys of ${name}` })) });
    const known = await madeBackups(context, workplace);
    const verdicts: KeyVerdict[] = [];
    for (const name of databases) {
      verdicts.push(...(await runStep(context.reporter, name, () => checkDatabase(context, workplace.repository, name, identities, options, known), (all) => `${all.length} backups`)));
    }
    if (verdicts.length === 0) throw new HoldfastError("not-found", `no backup in ${workplace.repository.store.url}, so no key was checked`, { hints: ["Make one with `holdfast backup`."] });
    subject["backups"] = String(verdicts.length);
    subject["failed"] = String(verdicts.filter(({ ok }) => !ok).length);
    for (const { id, warnings } of verdicts) for (const message of warnings) context.reporter.emit({ type: "note", level: "warn", message: `${id}: ${message}` });
    throwFailures(verdicts, "failed the check of their keys");
    return verdicts;
  });
}

/** How many keys are fetched at once. */
const fetches = 8;

async function checkDatabase(context: Context, repository: Repository, database: string, identities: readonly Identity[], options: KeyCheckOptions, known: ReadonlySet<string> | undefined): Promise<KeyVerdict[]> {
  const entries = sampleOf(await listBackups(repository, database), options.sample);
  const verdicts: KeyVerdict[] = [];
  const queue = entries.entries();
  const worker = async (): Promise<void> => {
    for (const [at, entry] of queue) {
      throwIfCancelled(context.signal);
      verdicts[at] = await checkEntry(context, repository, entry, identities, options.minimum, known);
    }
  };
  await Promise.all(Array.from({ length: fetches }, worker));
  return verdicts;
}

/** `count` of them: the first, the last, and evenly between. */
export function sampleOf<T>(all: readonly T[], count: number | undefined): T[] {
  if (count === undefined || count >= all.length) return [...all];
  const indices = new Set(Array.from({ length: count }, (_, n) => (count === 1 ? 0 : Math.round((n * (all.length - 1)) / (count - 1)))));
  return all.filter((_, index) => indices.has(index));
}

async function checkEntry(context: Context, repository: Repository, entry: CatalogEntry, identities: readonly Identity[], minimum: number, known: ReadonlySet<string> | undefined): Promise<KeyVerdict> {
  const { id, database, manifest } = entry;
  const nothing = { id, database, ok: false, recipients: [], identities: [], missing: [], former: [], warnings: [] };
  if (manifest === undefined) return { ...nothing, error: entry.problem };
  try {
    if (known !== undefined) await requireMade(context, repository, manifest, known);
    const { holders, stanzas, identities: tried } = await keyAccess(repository, manifest, identities);
    const { recipients, source } = holders;
    const configured = context.config.recipients;
    const report = {
      id, database, stanzas, recipients, source, identities: tried,
      missing: configured.filter((recipient) => !recipients.includes(recipient)),
      former: configured.length === 0 ? [] : recipients.filter((recipient) => !configured.includes(recipient)),
    };
    const warnings = warningsOf(report, minimum);
    return tried.some(({ opens }) => opens) ? { ...report, ok: true, warnings } : { ...report, ok: false, warnings, error: closed(id, report) };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return { ...nothing, error };
    throw error;
  }
}

function warningsOf({ stanzas, source, missing }: { stanzas: number; source: KeyHolders["source"]; missing: readonly string[] }, minimum: number): string[] {
  return [
    ...(stanzas < minimum ? [`only ${stanzas} ${stanzas === 1 ? "key opens" : "keys open"} it, fewer than ${minimum}; add another with \`holdfast keys rewrap --add\``] : []),
    ...(source === "unfinished" ? ["key.json speaks of another key.age: a rewrap was cut short, or an earlier key.age was put back; run that `holdfast keys rewrap` again"] : []),
    ...missing.map((recipient) => `the configured recipient ${recipient} cannot open it; \`holdfast keys rewrap --add\` changes that`),
  ];
}

function closed(id: string, { identities, recipients }: Pick<KeyVerdict, "identities" | "recipients">): HoldfastError {
  return new HoldfastError("cannot-decrypt", `none of the ${identities.length} identities at hand opens backup ${id}`, { hints: [`It is encrypted to ${recipients.join(", ")}: use the identity of one of these.`] });
}

/** Ids whose making the timeline tells of; undefined where no key has been retired, so that nobody can date back. */
async function madeBackups({ clock }: Context, { repository, timeline }: Workplace): Promise<ReadonlySet<string> | undefined> {
  if (!repository.trusted.some(({ validUntil }) => validUntil !== undefined && validUntil <= clock.now())) return undefined;
  const ids = new Set<string>();
  for await (const { action, outcome, subject } of timeline.read()) if (action === "backup" && outcome === "ok" && subject["backup"] !== undefined) ids.add(subject["backup"]);
  return ids;
}

/** Whoever kept a retired key can sign a backup of any date, but cannot put its entry where the timeline was at that date. */
async function requireMade({ clock }: Context, repository: Repository, { id, database }: Manifest, known: ReadonlySet<string>): Promise<void> {
  if (known.has(id)) return;
  const signer = await manifestSigner(repository, database, id);
  if (signer?.validUntil === undefined || signer.validUntil > clock.now()) return;
  throw new HoldfastError("integrity", `backup ${id} is signed by ${signer.id}, which was retired on ${signer.validUntil.toISOString()}, and the timeline does not know that it was made: it may be dated back`, {
    hints: ["If its entry still waits on the host that made it, run any command there; then look again. Else do not restore from it.", "`holdfast audit verify` tells whether entries were removed."],
    details: { backup: id, signer: signer.id },
  });
}
