/** The story of a review: somebody looked at a drill's evidence, and says so with a signature of their own. */
import { loadSigner, type Signer, type TrustedSigner } from "../../catalog/signatures.ts";
import { describeWindow, isValidAt } from "../../catalog/signer-window.ts";
import { readTextFile } from "../../config/files.ts";
import { type Certification, writeCertification } from "../../drill/evidence/certification.ts";
import type { Evidence } from "../../drill/evidence/evidence.ts";
import { underDrillLock } from "../../drill/evidence/publish-evidence.ts";
import { checkReports } from "../../drill/evidence/report-index.ts";
import { HoldfastError } from "../../errors.ts";
import { type Context, requireSigner } from "../context.ts";
import { guardOf } from "../guard.ts";
import { inWorkplace } from "../record.ts";
import { type DrillName, findDrill } from "./show-drills.ts";

export interface CertifyOptions {
  readonly drill: DrillName;
  readonly database?: string | undefined;
  /** Who reviewed it, for people: name and office. */
  readonly by: string;
  readonly statement?: string | undefined;
  /** PEM file of an Ed25519 private key; by default the configured signing key. */
  readonly keyFile?: string | undefined;
  readonly reason?: string | undefined;
}

export interface CertifiedDrill {
  readonly evidence: Evidence;
  readonly certification: Certification;
}

export const defaultStatement = "I have reviewed the evidence of this drill and its reports.";

/**
 * Adds a certification to a drill.
 * @throws HoldfastError `integrity` if its evidence or a report does not verify, `not-found` if it has none,
 * `configuration` if the key is not trusted here, `refused` if the key has certified it before
 */
export async function certifyDrill(context: Context, options: CertifyOptions): Promise<CertifiedDrill> {
  const action = { action: "drill certify", subject: { ...(options.database !== undefined && { database: options.database }) }, reason: options.reason };
  return inWorkplace(context, action, async (workplace, subject) => {
    const { repository } = workplace;
    if ("id" in options.drill) subject.drill = options.drill.id;
    const signer = await signerOf(context, options.keyFile);
    requireTrust(signer, repository.trusted, context.clock.now());
    const record = await findDrill(context, repository, options.drill, options.database);
    subject.database = record.database;
    subject.drill = record.id;
    if (record.problem !== undefined) throw record.problem;
    if (record.evidence === undefined) {
      throw new HoldfastError("not-found", `drill ${record.id} has no evidence: it ${record.running ? "still runs" : "ended without a verdict"}`, { hints: ["`holdfast drill list` shows which drills can be certified."] });
    }
    const { database, id, sha256, evidence, files } = record;
    subject.evidence = sha256;
    const [problem] = await checkReports(repository, { database, id, sha256, evidence }, files);
    if (problem !== undefined) throw problem;
    if (signer.id === evidence.signer) {
      context.reporter.emit({ type: "note", level: "warn", message: `the certification is signed with the key that signed the evidence: it does not show that another person looked` });
    }
    const said = { by: options.by, statement: options.statement ?? defaultStatement, at: context.clock.now().toISOString() };
    const written = await underDrillLock(repository, database, "drill certify", { ...context, guard: guardOf(context, repository) }, () => writeCertification(repository, { database, id, sha256 }, signer, said));
    subject.certification = written.sha256;
    return { evidence, certification: written.certification };
  });
}

async function signerOf({ config }: Context, file: string | undefined): Promise<Signer> {
  return file === undefined ? requireSigner(config, "certification") : loadSigner(await readTextFile(file, "the signing key"), file);
}

/** What we would not believe when we read it, we do not write. */
function requireTrust(signer: Signer, trusted: readonly TrustedSigner[], now: Date): void {
  const listed = trusted.find(({ id }) => id === signer.id);
  if (listed !== undefined && isValidAt(listed, now)) return;
  if (listed !== undefined) {
    throw new HoldfastError("configuration", `the key ${signer.id} counts ${describeWindow(listed)} only, but it is ${now.toISOString()}: nobody would trust what it certifies now`, {
      hints: ["Certify with a key that counts: --key FILE.", "Or correct the dates in HOLDFAST_TRUSTED_SIGNERS."],
    });
  }
  throw new HoldfastError("configuration", `the key ${signer.id} is not among the trusted signers, so its certification would count as a stranger's`, {
    hints: ["Add its public half to HOLDFAST_TRUSTED_SIGNERS; `openssl pkey -in FILE -pubout` prints it."],
  });
}
