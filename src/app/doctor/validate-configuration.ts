/** The configuration checked as a backup would use it, but without going anywhere. */
import type { Config } from "../../config/config.ts";
import { HoldfastError } from "../../errors.ts";
import { parseRecipients } from "../../pipeline/age-keys.ts";
import { redact } from "../../process/redact.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { requireIdentities, trustedSigners } from "../context.ts";
import { openConfiguredStore } from "../open-configured-store.ts";

export interface Validation {
  readonly databases: readonly string[];
  readonly repository: string | null;
  readonly recipients: number;
  readonly signers: readonly string[];
  readonly source: string | null;
}

/** @throws HoldfastError `configuration` naming everything that is wrong, not the first thing only */
export async function validateConfiguration(config: Config): Promise<Validation> {
  const problems: HoldfastError[] = [];
  const attempt = async <T>(work: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  for (const database of config.databases.values()) await attempt(() => parseDatabaseUrl(database.url));
  const recipients = config.recipients.length === 0 ? [] : await attempt(() => parseRecipients(config.recipients));
  const store = config.repository && (await attempt(() => openConfiguredStore(config)));
  await store?.close();
  const signers = await attempt(() => trustedSigners(config));
  if (config.identityFile !== undefined) await attempt(() => requireIdentities(config));
  if (problems.length > 0) {
    throw new HoldfastError("configuration", problems.map((problem) => problem.message).join("; "), { hints: [...new Set(problems.flatMap((problem) => problem.hints))] });
  }
  return {
    databases: [...config.databases.keys()],
    repository: config.repository === undefined ? null : redact(config.repository.url),
    recipients: recipients?.length ?? 0,
    signers: signers?.map((signer) => signer.id) ?? [],
    source: config.source ?? null,
  };
}
