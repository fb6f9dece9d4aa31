/** Looking at the timeline, and checking it. */
import type { TimelineEntry } from "../audit/entry.ts";
import type { Range } from "../audit/select.ts";
import { type TimelineReport, verifyTimeline } from "../audit/verify.ts";
import { HoldfastError } from "../errors.ts";
import { type Context, openWorkplace } from "./context.ts";

export async function readAudit(context: Context, range: Range): Promise<TimelineEntry[]> {
  const workplace = await openWorkplace(context);
  try {
    const entries: TimelineEntry[] = [];
    for await (const entry of workplace.timeline.read(range)) entries.push(entry);
    return entries;
  } finally {
    await workplace.close();
  }
}

/** Checks the repository's chain against itself and against this host's own copy. */
export async function verifyAudit(context: Context): Promise<TimelineReport> {
  const workplace = await openWorkplace(context);
  try {
    const { store, trusted } = workplace.repository;
    if (trusted.length === 0) {
      throw new HoldfastError("configuration", "no trusted signer is configured, so every entry would look like a stranger's", { hints: ["Set HOLDFAST_TRUSTED_SIGNERS to the public signing key, as PEM or the name of its file."] });
    }
    return await verifyTimeline(store, { trusted, local: workplace.timeline.localCopy });
  } finally {
    await workplace.close();
  }
}

export type { TimelineEntry, TimelineReport };
