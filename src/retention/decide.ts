/**
 * The decision: which backups stay, which may go, and why. A pure function of what it is given, so that a dry run, a
 * test and the removal itself see the same. It errs towards keeping.
 */
import { HoldfastError } from "../errors.ts";
import { newestFirst, type RetainedBackup } from "./backup.ts";
import { calendar, periods } from "./calendar.ts";
import { checkPolicy, type LabelPolicy, type RetentionPolicy } from "./policy.ts";
import { periodReason, rulesInWords, spell, spellAge, whyItDoesNotCount } from "./reasons.ts";

export interface Decision {
  readonly backup: RetainedBackup;
  /** At least one; all that apply. */
  readonly reasons: readonly string[];
}

/** Newest first, each backup exactly once. */
export interface Decisions {
  readonly keep: readonly Decision[];
  readonly remove: readonly Decision[];
}

export interface Situation {
  /** What the last backup run came to, if it did not succeed; while it stands, nothing is removed. */
  readonly lastRunFailed?: { readonly at: Date; readonly why: string } | undefined;
}

/**
 * Decides about the backups of one database.
 * @throws HoldfastError `configuration` for a policy that keeps nothing or makes no sense; `refused` where none of the backups
 * that would be left counts: a policy must not empty a repository
 */
export function decide(backups: readonly RetainedBackup[], policy: RetentionPolicy, now: Date, situation: Situation = {}): Decisions {
  checkPolicy(policy);
  const sorted = [...backups].sort(newestFirst);
  const databases = new Set(sorted.map(({ database }) => database));
  if (databases.size > 1) throw new Error(`the backups of several databases were given to one decision: ${[...databases].join(", ")}`);
  const proved = sorted.find((backup) => backup.proved !== null && backup.problem === null && backup.verification.state !== "failed");
  const judged = groupsOf(sorted, policy).flatMap((group) => judge(group, now)).sort((a, b) => newestFirst(a.backup, b.backup));
  const keep: Judged[] = [];
  const remove: Judged[] = [];
  for (const each of judged) {
    const keeps = [...protectionsOf(each.backup, proved, now), ...each.keeps];
    if (keeps.length === 0 && situation.lastRunFailed !== undefined) keeps.push(whileRunFailed(situation.lastRunFailed));
    if (keeps.length > 0) keep.push({ ...each, keeps });
    else remove.push(each);
  }
  if (remove.length > 0 && !keep.some(({ uncounted }) => uncounted === undefined)) throw wouldEmpty(remove.map(({ backup }) => backup));
  return {
    keep: keep.map(({ backup, keeps, uncounted }) => ({ backup, reasons: [...keeps, ...(uncounted ?? [])] })),
    remove: remove.map(({ backup, otherwise }) => ({ backup, reasons: otherwise })),
  };
}

/** Backups that are judged together: those of each label with a policy of its own, and all others. */
interface Group {
  /** Null for all others. */
  readonly label: string | null;
  readonly policy: LabelPolicy;
  /** Newest first. */
  readonly members: RetainedBackup[];
}

function groupsOf(sorted: readonly RetainedBackup[], policy: RetentionPolicy): Group[] {
  const rest: Group = { label: null, policy, members: [] };
  const labelled = new Map([...policy.labels].map(([label, own]): [string, Group] => [label, { label, policy: own, members: [] }]));
  for (const backup of sorted) (labelled.get(backup.label ?? "") ?? rest).members.push(backup);
  return [rest, ...labelled.values()];
}

interface Judged {
  readonly backup: RetainedBackup;
  /** Why it does not count towards what the rules keep, in a list of one; undefined if it does. */
  readonly uncounted: readonly [string] | undefined;
  /** Why the policy keeps it. */
  readonly keeps: readonly string[];
  /** What there is to say where nothing keeps it. */
  readonly otherwise: readonly string[];
}

function judge({ label, policy, members }: Group, now: Date): Judged[] {
  const whyNot = new Map(members.map((backup) => [backup, whyItDoesNotCount(backup, policy)]));
  const wanted = chosenByRules(members.filter((backup) => whyNot.get(backup) === undefined), policy, now);
  return members.map((backup): Judged => {
    const age = now.getTime() - backup.snapshotAt.getTime();
    const not = whyNot.get(backup);
    return {
      backup,
      uncounted: not === undefined ? undefined : [not],
      keeps: [...(wanted.get(backup) ?? []), ...youth(age, policy)],
      otherwise: [not ?? `no rule${label === null ? "" : ` for the label ${label}`} keeps it (${rulesInWords(policy)})`, `${spellAge(age)} old, past the minimum age${policy.minimumAgeMs > 0 ? ` of ${spell(policy.minimumAgeMs)}` : ""}`],
    };
  });
}

/** A clock that is behind makes no backup old. */
function youth(age: number, { minimumAgeMs }: LabelPolicy): string[] {
  if (age < 0) return ["its snapshot lies ahead of this host's clock"];
  return age < minimumAgeMs ? [`younger than ${spell(minimumAgeMs)}, the minimum age`] : [];
}

/** @param counting - newest first */
function chosenByRules(counting: readonly RetainedBackup[], policy: LabelPolicy, now: Date): Map<RetainedBackup, string[]> {
  const reasons = new Map<RetainedBackup, string[]>();
  const want = (backup: RetainedBackup, reason: string): void => { reasons.set(backup, [...(reasons.get(backup) ?? []), reason]); };
  counting.slice(0, policy.keepLast).forEach((backup, at) => { want(backup, `last ${at + 1} of ${policy.keepLast}`); });
  const newest = counting[0];
  if (newest !== undefined && policy.keepWithinMs > 0) {
    const since = Math.min(newest.snapshotAt.getTime(), now.getTime()) - policy.keepWithinMs;
    for (const backup of counting) if (backup.snapshotAt.getTime() >= since) want(backup, `within ${spell(policy.keepWithinMs)} of the newest`);
  }
  const nameOf = calendar(policy.timeZone);
  for (const period of periods) {
    const seen = new Set<string>();
    for (const backup of counting) {
      if (seen.size >= policy[period]) break;
      const name = nameOf[period](backup.snapshotAt);
      if (!seen.has(name)) want(backup, periodReason(name, period, seen.size + 1, policy[period]));
      seen.add(name);
    }
  }
  counting.slice(0, policy.minimumCount).forEach((backup, at) => { want(backup, `${at + 1} of ${policy.minimumCount}, the minimum count`); });
  return reasons;
}

/** What keeps a backup whatever its policy says. */
function protectionsOf(backup: RetainedBackup, proved: RetainedBackup | undefined, now: Date): string[] {
  const { held, locked, checkpoint, problem } = backup;
  const isHeld = held !== null && (held.until === null || held.until > now);
  return [
    ...(problem === null ? [] : ["not ours to remove: its manifest cannot be trusted"]),
    ...(backup === proved && backup.proved !== null ? [`the newest backup that a drill has proved (${backup.proved.toISOString()})`] : []),
    ...(isHeld ? [`held ${held.until === null ? "until it is released" : `until ${held.until.toISOString()}`}: ${held.reason}`] : []),
    ...(locked !== null && locked > now ? [`under object lock until ${locked.toISOString()}`] : []),
    ...(checkpoint === null ? [] : [`belongs to checkpoint ${checkpoint}`]),
  ];
}

function whileRunFailed({ at, why }: { readonly at: Date; readonly why: string }): string {
  return `nothing is removed while the last backup run has failed (${at.toISOString()}: ${why})`;
}

function wouldEmpty(removed: readonly RetainedBackup[]): HoldfastError {
  const [first] = removed;
  return new HoldfastError("refused", `the policy would remove ${removed.length === 1 ? "the backup" : `${removed.length} backups`} of ${first?.database ?? "the database"}, and none of those left would count`, {
    hints: ["None counts while all failed verification, or were never verified and the policy asks for it.", `Run \`holdfast backup verify --all --database ${first?.database ?? "NAME"}\`, or make a new backup.`],
    details: { remove: removed.map(({ id }) => id) },
  });
}
