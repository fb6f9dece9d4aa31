/** Whether a restored sequence stands where pg_dump may have seen it. */
import type { SequenceTruth } from "./truth.ts";

/**
 * True if `found` lies between the two readings taken around the dump. Equal readings allow nothing but the same value.
 * A sequence that moved against its direction in between was reset or cycled: then what lies beyond either reading is allowed.
 */
export function mayHaveBeen(found: SequenceTruth, before: SequenceTruth, after: SequenceTruth): boolean {
  if (isSame(before, after)) return isSame(found, before);
  const [from, at, to] = [position(before), position(found), position(after)];
  if (from === undefined || at === undefined || to === undefined) return false;
  const forward = BigInt(before.increment) > 0n;
  const reached = forward ? at >= from : at <= from;
  const notPassed = forward ? at <= to : at >= to;
  const wrapped = forward ? to < from : to > from;
  return wrapped ? reached || notPassed : reached && notPassed;
}

function isSame(a: SequenceTruth, b: SequenceTruth): boolean {
  return a.lastValue === b.lastValue && a.isCalled === b.isCalled;
}

/** The value handed out last: one step back for a sequence that was set but not called. */
function position({ lastValue, isCalled, increment }: SequenceTruth): bigint | undefined {
  if (lastValue === null) return undefined;
  return BigInt(lastValue) - (isCalled ? 0n : BigInt(increment));
}

/** "42", or "42 (not called)". */
export function sequenceText({ lastValue, isCalled }: SequenceTruth): string {
  return `${lastValue ?? "unreadable"}${isCalled ? "" : " (not called)"}`;
}
