/** Work on keys needs no server: what counts is which databases the repository holds, not which are configured here. */
import { databasesIn, type Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";

/**
 * The database that was named, or all that the repository holds.
 * @throws HoldfastError `not-found` if there is none: what works on nothing must not look like success
 */
export async function repositoryDatabases({ store }: Repository, name: string | undefined): Promise<string[]> {
  const held = await databasesIn(store);
  if (name !== undefined && held.includes(name)) return [name];
  const holds = held.length === 0 ? "holds nothing yet" : `holds ${held.join(", ")}`;
  if (name !== undefined) throw new HoldfastError("not-found", `no database ${name} in ${store.url}, which ${holds}`, { hints: ["Check --database, and HOLDFAST_REPOSITORY."] });
  if (held.length > 0) return held;
  throw new HoldfastError("not-found", `no backup in ${store.url}, which ${holds}`, { hints: ["Make one with `holdfast backup`."] });
}
