import { signatureSuffix } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { systemTimers, type Timers } from "../../lock/timers.ts";
import type { Clock } from "../../ports.ts";

/** A clock that stands still must not hold a deploy for ever: then the publishing says that the name is taken. */
const waits = 3;

/**
 * The time now, once nothing is named after its second: names of checkpoints hold no finer time, and a pipeline that
 * takes one again, or looks again, may be back within it. Two hosts at once are told apart when they publish.
 */
export async function freeSecond({ store }: Repository, keyOf: (at: Date) => string, { clock, signal, timers = systemTimers }: { readonly clock: Clock; readonly signal: AbortSignal; readonly timers?: Timers }): Promise<Date> {
  const isTaken = async (key: string): Promise<boolean> => (await Promise.all([store.head(key), store.head(key + signatureSuffix)])).some((object) => object !== undefined);
  for (let waited = 0; ; waited++) {
    const at = clock.now();
    if (waited === waits || !(await isTaken(keyOf(at)))) return at;
    await timers.sleep(1_000 - at.getMilliseconds(), signal);
  }
}
