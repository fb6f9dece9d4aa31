/** The schema, object by object: by queries on the catalogs, because pg_dump's text changes with its version. */
import { createHash } from "node:crypto";

import type { Session } from "../session.ts";
import { databaseQueries } from "./catalog/database.ts";
import { privilegeQueries } from "./catalog/privileges.ts";
import { programQueries } from "./catalog/programs.ts";
import type { CatalogQuery } from "./catalog/query.ts";
import { relationQueries } from "./catalog/relations.ts";
import { typeQueries } from "./catalog/types.ts";
import { textSha256 } from "./digest.ts";
import { releasingLocks } from "./locks.ts";
import { fixOutput } from "./output-settings.ts";
import type { CatalogEntry, SchemaTruth } from "./truth.ts";

const queries: readonly CatalogQuery[] = [...relationQueries, ...typeQueries, ...programQueries, ...privilegeQueries, ...databaseQueries];

/** Every kind of object that is looked at. */
export const catalogKinds: readonly string[] = [...new Set(queries.map((query) => query.kind))];

/** Every object of the schema, in order of kind and identity. Definitions are hashed in the server: some hold passwords. */
export async function readCatalog(session: Session): Promise<CatalogEntry[]> {
  await fixOutput(session);
  const { server, encoding } = await session.row<{ server: number; encoding: string }>(
    "SELECT current_setting('server_version_num')::int AS server, current_setting('server_encoding') AS encoding",
  );
  const entries: CatalogEntry[] = [];
  await releasingLocks(session, async () => {
    for (const { kind, sql } of queries) {
      const found = await session.rows<{ identity: string; sha256: string }>(
        `SELECT q.identity, encode(${textSha256("(to_jsonb(q) - 'identity')::text", encoding)}, 'hex') AS sha256 FROM (${sql(server)}) q`,
      );
      for (const { identity, sha256 } of found) entries.push({ kind, identity, sha256 });
    }
  });
  return entries.toSorted(inOrder);
}

function inOrder(a: CatalogEntry, b: CatalogEntry): number {
  for (const key of ["kind", "identity", "sha256"] as const) if (a[key] !== b[key]) return a[key] < b[key] ? -1 : 1;
  return 0;
}

/** Reduces a catalog to what the manifest holds. The order of `entries` does not count. */
export function fingerprintOf(entries: readonly CatalogEntry[]): SchemaTruth {
  const kinds: Record<string, { count: number; sha256: string }> = {};
  for (const [kind, ofKind] of Map.groupBy(entries.toSorted(inOrder), (entry) => entry.kind)) {
    kinds[kind] = { count: ofKind.length, sha256: hashOf(ofKind.map(({ identity, sha256 }) => [identity, sha256])) };
  }
  return { fingerprint: hashOf(Object.entries(kinds).map(([kind, { count, sha256 }]) => [kind, count, sha256])), kinds };
}

function hashOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
