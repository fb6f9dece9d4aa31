/** oclif's help, with what an operator needs beside the commands: exit codes, and where settings come from. */
import { Help as OclifHelp } from "@oclif/core/help";

import { errorTable } from "../errors.ts";

const environment = `Every flag has an environment variable, shown as [env: …]; --confirm and --swap have none on purpose.
DATABASE_URL  HOLDFAST_REPOSITORY  HOLDFAST_RECIPIENTS  HOLDFAST_SIGNING_KEY_FILE suffice for a backup;
HOLDFAST_IDENTITY_FILE and HOLDFAST_TRUSTED_SIGNERS for a restore. \`holdfast config show\` says what is in force and where
it came from; docs/reference/configuration.md lists all of them. Steps and errors go to stderr, data to stdout.`;

export class Help extends OclifHelp {
  protected override async showRootHelp(): Promise<void> {
    await super.showRootHelp();
    const codes = Object.values(errorTable).map(({ exit, meaning }): [string, string] => [String(exit), meaning]);
    this.log(this.section("ENVIRONMENT", this.wrap(environment.replaceAll("\n", " "))));
    this.log("");
    this.log(this.section("EXIT CODES", this.renderList([["0", "ok"], ...codes], { indentation: 2, spacer: "\n", stripAnsi: this.opts.stripAnsi ?? false })));
    this.log("");
  }
}
