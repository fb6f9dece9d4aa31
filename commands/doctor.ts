import { diagnose, type DoctorCheck } from "../src/app/doctor/doctor.ts";
import { BaseCommand } from "../src/cli/base-command.ts";
import { renderDiagnosis } from "../src/cli/doctor-view.ts";

export default class Doctor extends BaseCommand {
  static override summary = "Try everything that a backup, a restore or a rollback needs, and say what is missing";
  static override description = "Reads and writes a probe object in the repository and removes it. The exit code is that of the first failure.";
  static override examples = ["<%= config.bin %> doctor", "<%= config.bin %> doctor --json"];

  async run(): Promise<readonly DoctorCheck[]> {
    const { flags } = await this.parse(Doctor);
    const { checks, exitCode } = await diagnose(await this.context(flags));
    this.print(renderDiagnosis(checks));
    process.exitCode = exitCode;
    return checks;
  }
}
