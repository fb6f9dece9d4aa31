import * as Flags from "@oclif/core/flags";

import { readAudit, type TimelineEntry } from "../../src/app/audit.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseInstant } from "../../src/cli/choice.ts";
import { fromFlag } from "../../src/cli/flags.ts";
import { renderTimeline } from "../../src/cli/audit-view.ts";

export default class AuditShow extends BaseCommand {
  static override summary = "Show what holdfast did, when, for whom and why";
  static override description = "Shows the timeline as it stands; `audit verify` checks that it is whole and unchanged.";
  static override examples = ["<%= config.bin %> audit show", "<%= config.bin %> audit show --since 2026-11-01T00:00:00Z --json"];

  static override flags = {
    from: fromFlag,
    origin: Flags.boolean({ summary: "of a copy, what it keeps of its origin's timeline", env: "HOLDFAST_ORIGIN" }),
    since: Flags.string({ summary: "entries from this instant on", helpValue: "TIME", env: "HOLDFAST_SINCE" }),
    until: Flags.string({ summary: "entries up to this instant", helpValue: "TIME", env: "HOLDFAST_UNTIL" }),
    last: Flags.integer({ char: "n", summary: "the last so many entries", min: 1, helpValue: "N", env: "HOLDFAST_LAST" }),
  };

  async run(): Promise<TimelineEntry[]> {
    const { flags } = await this.parse(AuditShow);
    const context = await this.context(flags);
    const entries = await readAudit(context, {
      origin: flags.origin,
      ...(flags.since !== undefined && { since: parseInstant(flags.since, "since") }),
      ...(flags.until !== undefined && { until: parseInstant(flags.until, "until") }),
      ...(flags.last !== undefined && { last: flags.last }),
    });
    this.print(renderTimeline(entries));
    return entries;
  }
}
