/** A second signature over a drill's evidence: somebody reviewed it, and says so with a key. One for each key. */
import { z } from "zod";

import { publishSigned, type SignedKind } from "../../catalog/signed-object.ts";
import { certificationFile, certifierOf, drillKey, signatureSuffix } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { HoldfastError } from "../../errors.ts";
import { type DrillPlace, parseSigned, readSignedFile, sha256Of, textOf, untrue } from "./signed-file.ts";

const certificationSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-drill-certification"),
  drill: z.string(),
  evidenceSha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Who reviewed it: a name and, as it were, an office. */
  by: z.string().min(1).max(200),
  statement: z.string().min(1).max(2_000),
  at: z.iso.datetime({ precision: 3 }),
  signer: z.string(),
});

export type Certification = z.infer<typeof certificationSchema>;

const kind: SignedKind<Certification> = {
  noun: "certification", warning: "It certifies nothing",
  parse: (bytes, key) => parseSigned(bytes, certificationSchema, key, "certification"), at: ({ at }) => new Date(at),
};

/**
 * Stores a certification of evidence that was checked. To be called under the database's "drill" lock.
 * @returns it and the SHA-256 of its bytes
 * @throws HoldfastError `refused` if that key has certified the drill before
 */
export async function writeCertification({ store }: Repository, { database, id, sha256 }: DrillPlace & { readonly sha256: string }, signer: Signer, said: Pick<Certification, "by" | "statement" | "at">): Promise<{ certification: Certification; sha256: string }> {
  const content: Certification = { format: 1, kind: "holdfast-drill-certification", drill: id, evidenceSha256: sha256, ...said, signer: signer.id };
  const parsed = certificationSchema.safeParse(content);
  if (!parsed.success) throw new HoldfastError("usage", `the certification cannot be written like this: ${z.prettifyError(parsed.error)}`);
  const key = drillKey(database, id, certificationFile(signer.id));
  const taken = { refused: `the key ${signer.id} has certified ${id} before`, hint: "`holdfast drill show` shows what was said then. Another person certifies with a key of their own: --key FILE." };
  if ((await store.get(key)) !== undefined) throw new HoldfastError("refused", taken.refused, { hints: [taken.hint] });
  // A run that was killed between the two left this.
  await store.delete(key + signatureSuffix);
  const bytes = textOf(content);
  await publishSigned(store, key, bytes, signer, taken.hint);
  return { certification: content, sha256: sha256Of(bytes) };
}

/** A certification that fits, or what is wrong with it. */
export type CertificationRecord = { readonly file: string } & ({ readonly certification: Certification; readonly sha256: string; readonly problem?: never } | { readonly certification?: never; readonly problem: HoldfastError });

/** All certifications of a drill, each checked. @param files - the names in the drill's folder */
export async function readCertifications(repository: Repository, place: DrillPlace & { readonly sha256: string }, files: readonly string[]): Promise<CertificationRecord[]> {
  const records: CertificationRecord[] = [];
  for (const file of files) {
    if (!file.startsWith("certification-") || file.endsWith(signatureSuffix)) continue;
    try {
      records.push({ file, ...(await readCertification(repository, place, file)) });
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== "integrity") throw error;
      records.push({ file, problem: error });
    }
  }
  return records;
}

async function readCertification(repository: Repository, place: DrillPlace & { readonly sha256: string }, file: string): Promise<{ certification: Certification; sha256: string }> {
  const key = drillKey(place.database, place.id, file);
  const found = await readSignedFile(repository, place, file, kind);
  if (found === undefined) throw untrue("removed", `${key} is gone`, { part: file });
  const { content: certification, sha256 } = found;
  if (certification.drill !== place.id) throw untrue("misplaced", `${key} certifies drill ${certification.drill}`, { part: file, expected: place.id, found: certification.drill });
  if (certifierOf(file) !== certification.signer) throw untrue("misplaced", `${key} is signed with the key ${certification.signer}`, { part: file, expected: certificationFile(certification.signer), found: file });
  if (certification.evidenceSha256 !== place.sha256) {
    throw untrue("edited", `${key} certifies evidence with the SHA-256 ${certification.evidenceSha256}, but that of the drill is ${place.sha256}`, { part: file, expected: place.sha256, found: certification.evidenceSha256 });
  }
  return { certification, sha256 };
}
