/** What a health check said. Bodies are read for the configured paths and forgotten. */
import { z } from "zod";

export const healthShape = z.strictObject({
  url: z.string(),
  healthy: z.boolean(),
  /** Of the last answer: "status 200, status=healthy, database=connected", "no answer (ECONNREFUSED)". */
  detail: z.string(),
  /** The application's version as it says itself, where the configuration names its path. */
  version: z.string().nullable(),
  at: z.iso.datetime({ precision: 3 }),
});
export type Health = z.infer<typeof healthShape>;
