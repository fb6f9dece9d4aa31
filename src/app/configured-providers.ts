/** The places for scratches that a database's configuration allows. */
import { tmpdir } from "node:os";

import type { DatabaseConfig } from "../config/config.ts";
import type { ScratchProvider } from "../drill/scratch.ts";
import { localProvider } from "../drill/scratch-local.ts";
import type { Context } from "./context.ts";

export function configuredProviders({ config, clock, actor }: Context, _database: DatabaseConfig): ScratchProvider[] {
  return [localProvider({ tempDir: config.tempDir ?? tmpdir(), pgBin: config.pgBin, host: actor.host, now: () => clock.now() })];
}
