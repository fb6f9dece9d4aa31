/** Which kinds of scratch there are, and which of them a drill takes. */
import type { DrillSettings } from "../../config/drill-settings.ts";
import { HoldfastError } from "../../errors.ts";
import { dockerProvider } from "./docker-scratch.ts";
import { localProvider } from "./local-scratch.ts";
import { serverProvider } from "./server-scratch.ts";
import type { Onlooker } from "./owner.ts";
import type { Source } from "./same-server.ts";
import type { ScratchProvider } from "./scratch.ts";

export interface ProviderPlace extends Onlooker {
  readonly tempDir: string;
  /** The folder of the client programs to use, where it is configured. */
  readonly pgBin: string | undefined;
  /** The server that was backed up. */
  readonly source: Source;
}

/** Every kind, in the order in which they are tried. */
export function scratchProviders({ image, storage, server, allowSourceServer }: Pick<DrillSettings, "image" | "storage" | "server" | "allowSourceServer">, place: ProviderPlace): ScratchProvider[] {
  return [localProvider(place), dockerProvider({ ...place, image, storage }), serverProvider({ ...place, url: server, allowSourceServer })];
}

const hints = {
  local: "Install the server programs of PostgreSQL for a local scratch.",
  docker: "Start Docker and pull the image for a scratch in a container.",
  kubernetes: "See whether the cluster lets pods of the drill's image run.",
  server: "Name a server for scratch databases in the drill's configuration, with a user who may create databases and roles.",
};

/**
 * The kind that is configured, or else the first that can be used.
 * @throws HoldfastError `drill-unverified` with the reason why each cannot
 */
export async function chooseProvider(providers: readonly ScratchProvider[], configured: DrillSettings["scratch"], major: number): Promise<ScratchProvider> {
  const considered = configured === undefined ? providers : providers.filter(({ name }) => name === configured);
  const reasons: string[] = [];
  for (const provider of considered) {
    const why = await provider.unavailable(major);
    if (why === undefined) return provider;
    reasons.push(`${provider.name}: ${why}`);
  }
  throw new HoldfastError("drill-unverified", configured === undefined ? `no kind of scratch can be used here: ${reasons.join("; ")}` : `the configured scratch cannot be used: ${reasons.join("; ")}`, {
    hints: considered.map(({ name }) => hints[name]),
  });
}
