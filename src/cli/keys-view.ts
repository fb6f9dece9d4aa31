/** Keys as `--json` shows them and as people read them. */
import type { KeyVerdict } from "../app/keys/check-keys.ts";
import { told, type Told } from "../app/keys/key-failures.ts";
import type { Rewrapped, RewrapResult } from "../app/keys/rewrap-keys.ts";
import type { ShredResult } from "../app/keys/shred-backup.ts";
import { formatCount } from "../text/format.ts";
import { renderTable } from "./table.ts";

export type KeyVerdictJson = Told<KeyVerdict>;
export type RewrapJson = Omit<RewrapResult, "backups"> & { readonly backups: readonly Told<Rewrapped>[] };

export const keyVerdictJson = (verdict: KeyVerdict): KeyVerdictJson => told(verdict);
export const rewrapJson = ({ backups, ...rest }: RewrapResult): RewrapJson => ({ ...rest, backups: backups.map((one) => told(one)) });

/** Both ends of a recipient tell people which it is; `--json` has it whole. */
function short(recipient: string): string {
  return recipient.length <= 24 ? recipient : `${recipient.slice(0, 12)}…${recipient.slice(-6)}`;
}

export function renderKeyVerdicts(verdicts: readonly KeyVerdict[]): string {
  const rows = verdicts.map(({ id, stanzas, recipients, identities }) => [id, String(stanzas ?? "-"), recipients.map(short).join(", "), identities.map(({ recipient, opens }) => `${short(recipient)} ${opens ? "opens" : "does not open"}`).join(", ")]);
  const former = [...new Set(verdicts.flatMap((verdict) => verdict.former))];
  return [
    renderTable(["backup", "keys", "encrypted to", "identities at hand"], rows, [1]),
    ...(former.length === 0 ? [] : [`\nnot among the configured recipients, but can open some of these: ${former.map(short).join(", ")}`]),
  ].join("\n");
}

export function renderRewrap({ backups, dryRun }: RewrapResult, { add, remove }: { readonly add: readonly string[]; readonly remove: readonly string[] }, configured: readonly string[]): string {
  const count = (outcome: Rewrapped["outcome"]): number => backups.filter((one) => one.outcome === outcome).length;
  const earlier = backups.reduce((sum, one) => sum + one.earlierVersions, 0);
  const summary = dryRun
    ? `would rewrap ${formatCount(count("planned"))} of ${formatCount(backups.length)} backups; nothing was changed`
    : `rewrapped ${formatCount(count("rewrapped"))} of ${formatCount(backups.length)} backups, each read back and opened; ${formatCount(count("unchanged"))} had those recipients already`;
  const absent = add.filter((recipient) => !configured.includes(recipient));
  const lingering = remove.filter((recipient) => configured.includes(recipient));
  return [
    renderTable(["backup", dryRun ? "would be" : "result", "encrypted to"], backups.map(({ id, outcome, recipients }) => [id, dryRun && outcome === "planned" ? "rewrapped" : outcome, recipients.map(short).join(", ")])),
    "",
    summary,
    ...(remove.length === 0 ? [] : ["what this cannot do: whoever copied key.age before, and has an identity that was removed, still opens these backups"]),
    ...(remove.length === 0 || earlier === 0 ? [] : [`the bucket keeps ${formatCount(earlier)} earlier ${earlier === 1 ? "version" : "versions"} of these keys, which the removed identities open: expire them with a lifecycle rule, or shred the backups`]),
    ...(absent.length === 0 ? [] : [`new backups do not go to ${absent.map(short).join(", ")} yet: add to HOLDFAST_RECIPIENTS on the backup hosts`]),
    ...(lingering.length === 0 ? [] : [`new backups still go to ${lingering.map(short).join(", ")}: take out of HOLDFAST_RECIPIENTS on the backup hosts`]),
  ].join("\n");
}

export interface ShredJson {
  readonly id: string;
  readonly database: string;
  readonly snapshotAt: string;
  readonly shreddedAt: string;
  readonly reason: string | null;
  readonly destroyed: number;
  readonly closedParts: readonly string[];
  readonly identities: number;
}

export function shredJson({ record: { id, database, snapshotAt, shreddedAt, reason }, destroyed, closedParts, identities }: ShredResult): ShredJson {
  return { id, database, snapshotAt, shreddedAt, reason, destroyed, closedParts, identities };
}

export function renderShred({ record: { id, shreddedAt }, destroyed, closedParts, identities }: ShredResult): string {
  return [
    destroyed === 0 ? `${id} had no key any more; it was shredded on ${shreddedAt}` : `shredded ${id}: ${formatCount(destroyed)} ${destroyed === 1 ? "object" : "objects or versions"} of its key destroyed, none is left`,
    `${formatCount(closedParts.length)} ${closedParts.length === 1 ? "part is" : "parts are"} still there, and none of the ${formatCount(identities)} identities at hand opens ${closedParts.length === 1 ? "it" : "one"}; the next backup removes them`,
    "what this cannot do: copies of the repository, disk snapshots and copies of key.age made before are not reached; destroy those too",
  ].join("\n");
}
