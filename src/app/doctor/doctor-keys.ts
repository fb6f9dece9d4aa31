/** The keys of this host, by what they let it do: back up, restore, or both. */
import { stat } from "node:fs/promises";

import type { Config } from "../../config/config.ts";
import { parseRecipients } from "../../pipeline/age-keys.ts";
import { configuredSigner, requireIdentities, trustedSigners } from "../context.ts";
import { Area } from "./doctor-area.ts";
import { checkSigner, checkTrusted } from "./doctor-signers.ts";

export async function checkKeys(config: Config, now = new Date()): Promise<Area> {
  const area = new Area("keys");
  const restores = config.identityFile !== undefined;
  const backsUp = config.signingKeyFile !== undefined || !restores;
  if (backsUp || config.recipients.length > 0) await checkRecipients(area, config);
  else area.add("recipients", "skip", "none: this host only restores");
  const signer = backsUp ? await checkSigner(area, config, now) : await configuredSigner(config);
  if (!backsUp) area.add("signing key", "skip", "none: this host only restores");
  await checkSecrecy(area, "signing key", config.signingKeyFile, "forge backups");
  const trusted = await area.attempt("trusted signers", () => trustedSigners(config));
  if (trusted?.length === 0) area.fail("trusted signers", "configuration", "none: no backup can be trusted, listed or restored", "Set HOLDFAST_TRUSTED_SIGNERS to the public signing key, as PEM or the name of its file.");
  else if (trusted) checkTrusted(area, trusted, now, signer !== undefined);
  await checkIdentity(area, config, signer !== undefined);
  return area;
}

async function checkRecipients(area: Area, config: Config): Promise<void> {
  const recipients = await area.attempt("recipients", () => parseRecipients(config.recipients));
  if (recipients === undefined) return;
  if (recipients.length === 1) area.add("recipients", "warn", "there is one recipient only: whoever loses that identity loses every backup", "Add an escrow or offline recipient to HOLDFAST_RECIPIENTS.");
  else area.add("recipients", "ok", `${recipients.length} valid`);
  const quantumSafe = recipients.filter((recipient) => recipient.startsWith("age1pq1")).length;
  if (quantumSafe > 0 && quantumSafe < recipients.length) area.add("recipients", "warn", "post-quantum and classic recipients are mixed: the backups are as strong as the classic ones");
}

async function checkIdentity(area: Area, config: Config, signs: boolean): Promise<void> {
  if (config.identityFile === undefined) {
    area.add("identity", "ok", "none on this host: it can write backups but not read them");
    return;
  }
  const identities = await area.attempt("identity", () => requireIdentities(config));
  if (identities === undefined) return;
  const found = `${identities.length} in ${config.identityFile}`;
  if (signs) area.add("identity", "warn", `${found}; identity and signing key lie on one host: whoever takes it over can read and forge every backup`, "Keep identities on restore and drill hosts only.");
  else area.add("identity", "ok", found);
  await checkSecrecy(area, "identity", config.identityFile, "read every backup");
}

/** A secret file that others of this machine may read is no secret. */
async function checkSecrecy(area: Area, what: string, file: string | undefined, lets: string): Promise<void> {
  const facts = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || facts === undefined || (facts.mode & 0o077) === 0) return;
  const mode = (facts.mode & 0o777).toString(8).padStart(4, "0");
  if ((facts.mode & 0o007) === 0) area.add(`${what} file`, "warn", `${file} has mode ${mode}: its group can ${lets}`, `Run \`chmod 600 ${file}\`, unless that group is meant.`);
  else area.fail(`${what} file`, "configuration", `${file} has mode ${mode}: everybody on this machine can ${lets}`, `Run \`chmod 600 ${file}\`, and consider the key exposed.`);
}
