/** The places for scratches that a database's configuration allows. */
import { tmpdir } from "node:os";

import type { DatabaseConfig } from "../../config/config.ts";
import { scratchProviders } from "../../drill/scratch/providers.ts";
import type { ScratchProvider } from "../../drill/scratch/scratch.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import type { Context } from "../context.ts";

export function configuredProviders({ config: { pgBin, tempDir }, clock, actor }: Context, { url, tools, drill }: DatabaseConfig): ScratchProvider[] {
  return scratchProviders(drill, {
    tempDir: tempDir ?? tmpdir(),
    pgBin,
    source: { connection: parseDatabaseUrl(url), search: { pgBin, prefix: tools } },
    host: actor.host,
    now: () => clock.now(),
  });
}
