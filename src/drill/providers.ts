import type { ProviderName } from "../config/drill-settings.ts";
import type { ScratchProvider } from "./scratch.ts";
export async function chooseProvider(providers: readonly ScratchProvider[], _name: ProviderName | undefined, _major: number): Promise<ScratchProvider> {
  const [first] = providers; if (!first) throw new Error("none"); return Promise.resolve(first);
}
