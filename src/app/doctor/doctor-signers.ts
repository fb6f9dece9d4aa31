/** The dates of signing keys: the end of one is told while there is time to bring the next one to every host. */
import type { Signer, TrustedSigner } from "../../catalog/signatures.ts";
import { describeWindow, isValidAt } from "../../catalog/signer-window.ts";
import type { Config } from "../../config/config.ts";
import { formatDuration } from "../../text/format.ts";
import { configuredSigner, requireSigner, trustedSigners } from "../context.ts";
import type { Area } from "./doctor-area.ts";

/** How long before its end a key is warned of. docs/keys.md tells it. */
const leadMs = 30 * 86_400_000;

/** @returns the key of this host, whether or not it counts now */
export async function checkSigner(area: Area, config: Config, now: Date): Promise<Signer | undefined> {
  const signer = await area.attempt("signing key", async () => (await configuredSigner(config)) ?? requireSigner(config, "backup", now));
  if (signer === undefined) return undefined;
  // A list that cannot be read is told by the check of the list.
  const trusted = await trustedSigners(config).catch((): TrustedSigner[] => []);
  const listed = trusted.find(({ id }) => id === signer.id);
  const shown = `ed25519 ${signer.id}`;
  if (listed === undefined || describeWindow(listed) === "") area.add("signing key", "ok", shown);
  else if (!isValidAt(listed, now)) area.fail("signing key", "configuration", `${shown} counts ${describeWindow(listed)} only, but it is ${now.toISOString()}: nobody would trust what it signs now`, next(listed, trusted, now));
  else if (endsWithin(listed, now, leadMs)) area.add("signing key", "warn", `${shown} counts ${describeWindow(listed)} only: ${left(listed, now)} are left`, next(listed, trusted, now));
  else area.add("signing key", "ok", `${shown}, which counts ${describeWindow(listed)}`);
  return signer;
}

/** @param signs - whether this host signs: then the end of its own key is told by {@link checkSigner} */
export function checkTrusted(area: Area, trusted: readonly TrustedSigner[], now: Date, signs: boolean): void {
  const shown = trusted.map((signer) => [signer.id, describeWindow(signer)].filter((text) => text !== "").join(" ")).join(", ");
  const hint = "Ask for the list that the backup hosts have now, with their next key: HOLDFAST_TRUSTED_SIGNERS.";
  if (signs || trusted.some((signer) => isValidAt(signer, new Date(now.getTime() + leadMs)))) area.add("trusted signers", "ok", shown);
  else if (trusted.some((signer) => isValidAt(signer, now))) area.add("trusted signers", "warn", `${shown}: none of them counts ${leadMs / 86_400_000} days from now, and no other is announced`, hint);
  else area.add("trusted signers", "warn", `${shown}: none of them counts now, so that nothing that is signed from now on is trusted here`, hint);
}

function endsWithin({ validUntil }: TrustedSigner, now: Date, ms: number): boolean {
  return validUntil !== undefined && validUntil.getTime() - now.getTime() < ms;
}

function left({ validUntil = new Date(0) }: TrustedSigner, now: Date): string {
  return formatDuration((validUntil.getTime() - now.getTime()) / 1000);
}

/** What to do about a key that ends or has ended. Another host's key without a beginning is no successor. */
function next(own: TrustedSigner, trusted: readonly TrustedSigner[], now: Date): string {
  if (own.validFrom !== undefined && own.validFrom > now) return "Sign with the key before it until then, or correct its valid-from in HOLDFAST_TRUSTED_SIGNERS.";
  const end = new Date(Math.max(now.getTime(), own.validUntil?.getTime() ?? 0));
  const announced = trusted.find((signer) => signer.id !== own.id && signer.validFrom !== undefined && isValidAt(signer, end));
  if (announced?.validFrom !== undefined) return `Its successor ${announced.id} is announced: give this host its signing-key.pem with HOLDFAST_SIGNING_KEY_FILE, from ${announced.validFrom.toISOString()} on.`;
  return "Make the next one with `holdfast keys generate --out FOLDER`, announce it to every host with its `# valid-from:` in HOLDFAST_TRUSTED_SIGNERS, then give this host its signing-key.pem: docs/keys.md, \"Rotate a signing key\".";
}
