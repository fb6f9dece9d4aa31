/** Large objects: how many, and a digest of their contents that reads them piece by piece. */
import type { Session } from "../session.ts";
import { digestOfSum, first64 } from "./digest.ts";
import type { Truth } from "./truth.ts";

const piece = 1024 * 1024;

/** lo_get rather than pg_largeobject: it needs no superuser, and holes read as the zeros that pg_dump writes. */
const pieceAt = (oid: string, at: string): string => `LATERAL (
  SELECT length(p.bytes) AS length, ${first64(`sha256(convert_to(concat(${oid}, ' ', ${at}, ' '), 'SQL_ASCII') || p.bytes)`)} AS number
  FROM (SELECT lo_get(${oid}, ${at}, ${piece}) AS bytes OFFSET 0) p) q`;

const digestSql = `
  WITH RECURSIVE pieces(oid, at, length, number) AS (
    SELECT m.oid, 0::bigint, q.length, q.number FROM pg_largeobject_metadata m, ${pieceAt("m.oid", "0::bigint")}
    UNION ALL
    SELECT s.oid, s.at + ${piece}, q.length, q.number FROM pieces s, ${pieceAt("s.oid", `s.at + ${piece}`)} WHERE s.length = ${piece}
  )
  SELECT sum(number)::text AS sum FROM pieces`;

export async function readLargeObjects(session: Session, withDigest: boolean): Promise<Truth["largeObjects"]> {
  const { count } = await session.row<{ count: number }>("SELECT count(*) AS count FROM pg_largeobject_metadata");
  if (!withDigest) return { count };
  const { sum } = await session.row<{ sum: string | null }>(digestSql);
  return { count, digest: digestOfSum(sum) };
}
