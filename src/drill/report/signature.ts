/** How a reader makes sure, without Holdfast, that the evidence is genuine and that a report was made from it. */
import { createHash } from "node:crypto";

import { shellWord } from "../../process/shell-word.ts";
import { type Evidence, serializeEvidence } from "../evidence/evidence.ts";

export interface SignatureStep {
  readonly proves: string;
  readonly command: string;
  /** What the command prints if all is well. */
  readonly prints: string;
}

/** What to have at hand, and where from. */
export const signaturePreparation =
  "In the drill's folder of the repository, put the public signing key beside evidence.json as signer.pem. Take the key from where you keep keys, never from the repository. You need openssl 3 and coreutils.";

/** What is signed is the file, not the report. */
export const signatureScope = "The signature covers evidence.json, from which this report was made. Where the two differ, evidence.json is right. The SHA-256 of each report is in reports.json beside it, signed by the same key.";

export function signatureSteps(evidence: Evidence): SignatureStep[] {
  const { previous, signer } = evidence;
  const digest = (file: string): string => `openssl dgst -sha256 -r ${shellWord(file)} | cut -d ' ' -f 1`;
  return [
    { proves: "evidence.json is unchanged since it was signed", command: "openssl pkeyutl -verify -pubin -inkey signer.pem -rawin -in evidence.json -sigfile evidence.json.sig", prints: "Signature Verified Successfully" },
    { proves: "the key is the one that signs drills", command: "openssl pkey -pubin -in signer.pem -outform DER | openssl dgst -sha256 -r | cut -c 1-16", prints: signer },
    { proves: "this report was made from that file", command: digest("evidence.json"), prints: createHash("sha256").update(serializeEvidence(evidence)).digest("hex") },
    ...(previous === null ? [] : [{ proves: "the drill before this one is still there, and as it was", command: digest(`../${previous.id}/evidence.json`), prints: previous.sha256 }]),
  ];
}

/** How a manager signs the evidence as well. */
export function certifyCommand({ id }: Evidence): string {
  return `holdfast drill certify ${shellWord(id)} --by NAME`;
}
