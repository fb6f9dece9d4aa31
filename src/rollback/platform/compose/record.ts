/** What is known of a service beyond its configuration, kept in its `resolved` under a name that Compose leaves alone. */
import { z } from "zod";

import { without } from "./canonical.ts";

const name = "x-holdfast";

const recordShape = z.object({
  /** `com.docker.compose.config-hash` of its containers: by it a change by somebody else is seen. */
  hashes: z.array(z.string()).default([]),
  /** Names of the containers that ran. */
  running: z.array(z.string()).default([]),
  /** Where the images can be pulled from by their content; empty for those that were built here. */
  digests: z.array(z.string()).default([]),
  /** Whether the files describe what ran; otherwise only its image and environment were taken from the containers. */
  described: z.boolean().default(true),
});
export type ServiceRecord = z.infer<typeof recordShape>;

export const serviceRecord = (resolved: Readonly<Record<string, unknown>>): ServiceRecord => recordShape.parse(resolved[name] ?? {});

export const withRecord = (resolved: Readonly<Record<string, unknown>>, record: ServiceRecord): Record<string, unknown> => ({ ...resolved, [name]: record });

export const withoutRecord = (resolved: Readonly<Record<string, unknown>>): Record<string, unknown> => without(resolved, name);
