import * as Flags from "@oclif/core/flags";

import { checkBackupKeys } from "../../src/app/keys/check-keys.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, minimumRecipientsFlag } from "../../src/cli/flags.ts";
import { type KeyVerdictJson, keyVerdictJson, renderKeyVerdicts } from "../../src/cli/keys-view.ts";

export default class KeysCheck extends BaseCommand {
  static override summary = "Prove that each identity at hand opens each backup";
  static override description = `Opens the key of every backup with every identity of HOLDFAST_IDENTITY_FILE alone, compares it with the signed record of its recipients, and warns of backups that too few keys open. Reads no part and changes nothing.
Exit 12: some backup opens with none of the identities. Exit 17: a key, or its record, is damaged, forged or missing.`;
  static override examples = ["<%= config.bin %> keys check", "<%= config.bin %> keys check --database ehr --sample 20 --minimum 3 --json"];

  static override flags = {
    database: databaseFlag,
    sample: Flags.integer({ summary: "so many of each database's backups only: newest, oldest, and evenly between", min: 1, helpValue: "N", env: "HOLDFAST_SAMPLE" }),
    minimum: minimumRecipientsFlag,
  };

  async run(): Promise<KeyVerdictJson[]> {
    const { flags } = await this.parse(KeysCheck);
    const verdicts = await checkBackupKeys(await this.context(flags), { database: flags.database, sample: flags.sample, minimum: flags.minimum });
    this.print(renderKeyVerdicts(verdicts));
    return verdicts.map(keyVerdictJson);
  }
}
