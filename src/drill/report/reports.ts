/** Everything that is rendered from a drill's evidence, for each of its readers. */
import type { Evidence } from "../evidence/evidence.ts";
import { renderReportHtml } from "./html.ts";
import type { ReportFile } from "../evidence/report-index.ts";
import { renderReportJunit } from "./junit.ts";
import { renderReportMarkdown } from "./markdown.ts";

export function renderReports(evidence: Evidence): readonly ReportFile[] {
  const file = (name: ReportFile["name"], text: string): ReportFile => ({ name, bytes: Buffer.from(text) });
  return [file("report.html", renderReportHtml(evidence)), file("report.md", renderReportMarkdown(evidence)), file("junit.xml", renderReportJunit(evidence))];
}
