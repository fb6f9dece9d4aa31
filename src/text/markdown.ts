/** GitHub's Markdown, whose values stay plain text: no emphasis, link, mention, formula, HTML or new cell. */
import { printable } from "./format.ts";
import { escapingTag, type Fragment } from "./markup.ts";

export type Markdown = Fragment<"markdown">;

function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\`*_[\]|~$#]/g, "\\$&")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("@", "&#64;")
    .replace(/:(?=\/\/)/g, "&#58;").replace(/\bwww\./gi, (www) => `${www.slice(0, 3)}&#46;`)
    .replace(/\s*\n\s*/g, " ");
}

export const markdown = escapingTag<"markdown">(escapeMarkdown);

/** Text that is Markdown already, as if it stood in the template itself. */
function verbatim(text: string): Markdown {
  return markdown(Object.assign([text], { raw: [text] }));
}

/** Commands, each on the one line that it gets, in a fence that is longer than any run of backticks in them. */
export function codeBlock(lines: readonly string[]): Markdown {
  const code = printable(lines.map((line) => line.replace(/\s*\n\s*/g, " ")).join("\n").toWellFormed());
  const fence = "`".repeat(1 + Math.max(2, ...(code.match(/`+/g) ?? []).map((run) => run.length)));
  return verbatim(`${fence}sh\n${code}\n${fence}\n`);
}

/** `right` are the columns of numbers. */
export function markdownTable(header: readonly string[], rows: readonly (readonly (string | Markdown)[])[], right: readonly number[] = []): Markdown {
  const line = (cells: readonly (string | Markdown)[]): Markdown => markdown`|${cells.map((cell) => markdown` ${cell} |`)}
`;
  const rule = verbatim(`|${header.map((_, column) => (right.includes(column) ? " ---: |" : " --- |")).join("")}\n`);
  return markdown`${line(header)}${rule}${rows.map(line)}`;
}
