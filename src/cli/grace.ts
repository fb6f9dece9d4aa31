import { parseDuration } from "../config/units.ts";
import { HoldfastError } from "../errors.ts";

/** Milliseconds of `--grace`. @throws HoldfastError `usage` */
export function parseGrace(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  throw new HoldfastError("usage", `--grace ${JSON.stringify(text)} is no duration with its unit, as 24h or 7d`);
}
