/** What the sections of report.html are put together from. */
import { formatInstant, readable } from "../../text/format.ts";
import { html, type Html } from "../../text/markup.ts";
import type { Fact } from "./facts.ts";

/** How something came out. It is shown by a shape and a word; the colour only repeats them. */
export type Tone = "pass" | "fail" | "unverified" | "left-out";

const shapes: Record<Tone, Html> = {
  pass: html`<path d="M4.5 8.4l2.4 2.4 4.6-5.2"/>`,
  fail: html`<path d="M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4"/>`,
  unverified: html`<path d="M6 6.2a2 2 0 1 1 2.8 1.8c-.6.3-.8.6-.8 1.2M8 11.4v.1"/>`,
  "left-out": html`<path d="M5.2 8h5.6"/>`,
};

export function icon(tone: Tone): Html {
  return html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false"><circle cx="8" cy="8" r="7"/>${shapes[tone]}</svg>`;
}

export function badge(tone: Tone, word: string): Html {
  return html`<span class="badge ${tone}">${icon(tone)}<span>${word}</span></span>`;
}

export function section(id: string, title: string, ...content: readonly (Html | undefined)[]): Html {
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${content}</section>
`;
}

/** A domain's sentence, its exact numbers readable and never broken at the end of a line. */
export function prose(text: string): string {
  return readable(text).replace(/(?<=\d) (?=\d{3}(?!\d)|(?:[kMGTP]?B|min|[sdh])(?!\w))/g, "\u00a0");
}

export function moment(instant: string): Html {
  return html`<time datetime="${instant}">${formatInstant(instant)}</time>`;
}

export function definitions(name: string, facts: readonly Fact[]): Html {
  return html`<dl class="${name}">
${facts.map(({ term, value }) => html`<div><dt>${term}</dt><dd>${value}</dd></div>
`)}</dl>
`;
}

export interface Column {
  readonly title: string;
  readonly kind?: "number" | "text" | "bar";
}

export interface RowGroup {
  readonly title?: string;
  /** Of as many cells as there are columns; the first names the row. */
  readonly rows: readonly (readonly (Html | string)[])[];
}

/** On a phone each row becomes a small block; the roles keep it a table for those who do not see it. */
export function table(name: string, caption: string, columns: readonly Column[], groups: readonly RowGroup[]): Html {
  return html`<table class="${name}" role="table">
<caption>${caption}</caption>
<thead role="rowgroup"><tr role="row">${columns.map(({ title, kind }) => html`<th scope="col" role="columnheader" class="${kind ?? "text"}">${title}</th>`)}</tr></thead>
${groups.map((group) => html`<tbody role="rowgroup">
${group.title === undefined ? undefined : html`<tr role="row" class="group"><th scope="rowgroup" role="rowheader" colspan="${columns.length}">${group.title}</th></tr>
`}${group.rows.map((cells) => html`<tr role="row">${cells.map((cell, index) => tableCell(cell, index, columns[index]))}</tr>
`)}</tbody>
`)}</table>
`;
}

function tableCell(cell: Html | string, index: number, column: Column | undefined): Html {
  if (index === 0) return html`<th scope="row" role="rowheader">${cell}</th>`;
  return html`<td role="cell" class="${column?.kind ?? "text"}${cell === "–" ? " none" : ""}" data-title="${column?.title}">${cell}</td>`;
}
