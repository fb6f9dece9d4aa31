/** What holds after a cancellation is the story's to say: the signal knows only that it came. */
import { HoldfastError } from "../errors.ts";

/** A cancellation with what holds now added to its message; any other error as it is. */
export function cancellationSaying(error: unknown, whatHolds: string): unknown {
  if (!(error instanceof HoldfastError) || error.code !== "cancelled") return error;
  return new HoldfastError("cancelled", `${error.message}; ${whatHolds}`, { hints: error.hints, cause: error.cause ?? error });
}
