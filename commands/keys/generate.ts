import * as Flags from "@oclif/core/flags";

import { generateKeys, type GeneratedKeys } from "../../src/app/keys/generate-keys.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";

export default class KeysGenerate extends BaseCommand {
  static override summary = "Make an age identity and a signing key, and say where each belongs";
  static override description = "Writes identity.txt (opens backups), recipient.txt, signing-key.pem (signs them) and trusted-signers.pem into a folder. Existing files are never overwritten.";
  static override examples = ["<%= config.bin %> keys generate --out ./keys"];

  static override flags = {
    out: Flags.string({ char: "o", summary: "folder for the four files", helpValue: "FOLDER", default: "holdfast-keys", env: "HOLDFAST_OUT" }),
  };

  async run(): Promise<GeneratedKeys> {
    const { flags } = await this.parse(KeysGenerate);
    const keys = await generateKeys(flags.out);
    this.print(`recipient  ${keys.recipient}
signer     ${keys.signer}

backup hosts        HOLDFAST_RECIPIENTS=${keys.recipient}
                    HOLDFAST_SIGNING_KEY_FILE=${keys.files.signingKey}
restore and drill   HOLDFAST_IDENTITY_FILE=${keys.files.identity}
hosts               HOLDFAST_TRUSTED_SIGNERS=${keys.files.trustedSigners}

Move ${keys.files.identity} off this host now: whoever has it can read every backup, and without it none can be read.
Keep a copy offline, and add a second recipient (HOLDFAST_RECIPIENTS takes several) so that one lost key loses nothing.`);
    return keys;
  }
}
