import * as Flags from "@oclif/core/flags";

import { certifyDrill, defaultStatement } from "../../src/app/drill/certify-drill.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseDrill } from "../../src/cli/choice.ts";
import { databaseFlag, drillArg, reasonFlag } from "../../src/cli/flags.ts";

export default class DrillCertify extends BaseCommand {
  static override summary = "Add a reviewer's signature to the evidence of a drill";
  static override description = `Checks the evidence and its reports first, and signs nothing that does not verify.
A key certifies a drill once. Give the reviewer a key of their own, and put its public half among the trusted signers.`;
  static override examples = [`<%= config.bin %> drill certify latest --by "Dr. A. Lee, security officer" --key /etc/holdfast/review-key.pem`];

  static override args = { id: drillArg };
  static override flags = {
    database: databaseFlag,
    by: Flags.string({ summary: "who has reviewed it: name and office", required: true, helpValue: "TEXT", env: "HOLDFAST_CERTIFY_BY" }),
    statement: Flags.string({ summary: "what is certified", default: defaultStatement, helpValue: "TEXT", env: "HOLDFAST_CERTIFY_STATEMENT" }),
    key: Flags.string({ summary: "the reviewer's private key, PEM; by default the signing key", helpValue: "FILE", env: "HOLDFAST_CERTIFY_KEY_FILE" }),
    reason: reasonFlag,
  };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(DrillCertify);
    const { evidence, certification } = await certifyDrill(await this.context(flags), {
      drill: parseDrill(args.id), database: flags.database, by: flags.by, statement: flags.statement, keyFile: flags.key, reason: flags.reason,
    });
    this.print(`${evidence.id} (${evidence.verdict}) is certified by ${certification.by} with the key ${certification.signer}`);
    return certification;
  }
}
