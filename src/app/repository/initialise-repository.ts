/** The story of a new repository: its marker, and the first entry of its timeline. */
import { initRepository } from "../../catalog/repository.ts";
import { type Context, openWorkplace } from "../context.ts";
import { openConfiguredStore } from "../open-configured-store.ts";
import { recorded } from "../record.ts";

export async function initialiseRepository(context: Context): Promise<{ id: string; url: string; created: boolean }> {
  const store = await openConfiguredStore(context.config);
  try {
    const { id, created } = await initRepository(store, context.clock.now());
    if (created) {
      const workplace = await openWorkplace(context);
      await recorded(context, workplace, { action: "repository init", subject: {} }, () => Promise.resolve()).finally(() => workplace.close());
    }
    return { id, url: store.url, created };
  } finally {
    await store.close();
  }
}
