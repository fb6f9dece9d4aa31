/** Everything that is rendered from a drill's evidence, for each of its readers. */
import type { Evidence } from "./evidence.ts";
import { renderReportHtml } from "./report-html.ts";
import type { ReportFile } from "./report-index.ts";
import { renderReportJunit } from "./report-junit.ts";
import { renderReportMarkdown } from "./report-markdown.ts";

export function renderReports(evidence: Evidence): readonly ReportFile[] {
  const file = (name: ReportFile["name"], text: string): ReportFile => ({ name, bytes: Buffer.from(text) });
  return [file("report.html", renderReportHtml(evidence)), file("report.md", renderReportMarkdown(evidence)), file("junit.xml", renderReportJunit(evidence))];
}
