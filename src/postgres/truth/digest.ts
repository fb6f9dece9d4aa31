/** SQL for digests that the server computes, so that row values and definitions stay there. */
import { identifier } from "../session.ts";

/** The digest's name in the manifest; another way of computing gets another name, and is then not compared. */
export const digestName = "sum64-sha256";

/** SHA-256 of a text in UTF-8; a SQL_ASCII database knows no characters, so there its bytes count as they are. */
export function textSha256(text: string, encoding: string): string {
  return `sha256(convert_to(${text}, '${encoding === "SQL_ASCII" ? "SQL_ASCII" : "UTF8"}'))`;
}

/** The first 64 bits of a bytea as a number. md5 would be shorter, but servers in FIPS mode refuse it. */
export const first64 = (bytes: string): string => `('x' || encode(substr(${bytes}, 1, 8), 'hex'))::bit(64)::bigint`;

/** The sum of the rows' numbers, as the server answers it, to the digest: modulo 2^64, in hexadecimal. */
export function digestOfSum(sum: string | null): string {
  return `${digestName}:${BigInt.asUintN(64, BigInt(sum ?? "0")).toString(16).padStart(16, "0")}`;
}

export interface DigestColumn {
  readonly name: string;
  readonly isBytea: boolean;
}

/**
 * One row of `t` as text. Columns go by name, since a restore may move those of inheriting tables; a bytea goes in by its
 * SHA-256, which is quicker than its hexadecimal text and has no limit of 512 MB.
 */
export function rowText(columns: readonly DigestColumn[]): string {
  const values = columns
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, isBytea }) => (isBytea ? `sha256(t.${identifier(name)})` : `t.${identifier(name)}`));
  return `ROW(${values.join(", ")})::text`;
}
