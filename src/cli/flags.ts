/** Flags that several commands take, so that they are called and explained the same everywhere. */
import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";

export const databaseFlag = Flags.string({ char: "d", summary: "which configured database", helpValue: "NAME", env: "HOLDFAST_DATABASE" });

/** Which repository is meant; the base command heeds it in every command that takes it. */
export const fromFlag = Flags.string({ summary: "read from this copy of the repository instead", helpValue: "NAME|URL", env: "HOLDFAST_FROM" });

/** The same for what changes it. */
export const pruneFromFlag = Flags.string({ summary: "prune this copy of the repository instead, by its own retention if it has one", helpValue: "NAME|URL", env: "HOLDFAST_FROM" });

export const holdFromFlag = Flags.string({ summary: "at this copy of the repository instead", helpValue: "NAME|URL", env: "HOLDFAST_FROM" });

export const reasonFlag = Flags.string({ summary: "why, for the timeline", helpValue: "TEXT", env: "HOLDFAST_REASON" });

export const asOfFlag = Flags.string({ summary: "the newest backup not after this instant", helpValue: "TIME", env: "HOLDFAST_AS_OF" });

/** A day: nobody waits longer, and what was mistyped must not wait for ever. */
const mostSeconds = 86_400;

export const drainFlag = Flags.integer({ summary: "seconds that clients get to finish before the swap ends their connections", default: 10, min: 0, max: mostSeconds, helpValue: "SECONDS", env: "HOLDFAST_DRAIN" });

/** Confirmations and `--swap` have no environment variable on purpose: they must be meant each time. */
export const confirmFlag = Flags.string({ summary: "the name of the database to replace, typed out", helpValue: "NAME" });

export const lockWaitFlag = Flags.integer({ summary: "seconds to wait for another run to end", default: 0, min: 0, max: mostSeconds, helpValue: "SECONDS", env: "HOLDFAST_LOCK_WAIT" });

export const holdReasonFlag = Flags.string({ summary: "why, for the record and the timeline", helpValue: "TEXT", env: "HOLDFAST_REASON", required: true });

export const backupIdArg = Args.string({ description: "id of a backup", name: "ID", required: true, ignoreStdin: true });

export const backupArg = Args.string({ description: "id of a backup, or latest", name: "ID", ignoreStdin: true });

export const minimumRecipientsFlag = Flags.integer({ summary: "how many keys should open each backup", default: 2, min: 1, helpValue: "N", env: "HOLDFAST_MINIMUM_RECIPIENTS" });

export const drillArg = Args.string({ description: "id of a drill, or latest", name: "ID", ignoreStdin: true, required: true });

/** Its values may hold commas, so that each is given on its own; a variable would cut them. */
export const inputFlag = Flags.string({ summary: "an input of the runbook; @FILE takes it from a file, as secrets must be", helpValue: "NAME=VALUE", multiple: true, env: "HOLDFAST_RUNBOOK_INPUT" });

export const checkpointArg = Args.string({ description: "the release that was coming, or the id of a checkpoint; by default the newest", name: "RELEASE|ID", ignoreStdin: true });

export const incidentArg = Args.string({ description: "id of an incident, or latest", name: "ID", ignoreStdin: true, required: true });
