/** Charts as inline SVG in percentages, so that their writing keeps its size on a phone. Numbers stand beside them as text. */
import { html, type Html } from "../../text/markup.ts";
import type { Tone } from "./html-parts.ts";

const percent = (share: number): string => `${Number((100 * Math.min(1, Math.max(0, share))).toFixed(2))}%`;

/** A bar of its own scale: how much of what was promised was used, with a mark where the promise ends if it was passed. */
export function gauge(label: string, measured: number, promised: number): Html {
  const full = Math.max(measured, promised);
  const share = full > 0 ? measured / full : 0;
  const mark = measured > promised ? html`<rect class="mark" x="${percent(promised / full)}" y="0" width="2" height="12"/>` : undefined;
  return html`<svg class="gauge" width="100%" height="12" role="img" aria-label="${label}"><rect class="track" y="3" width="100%" height="6" rx="3"/><rect class="fill" y="3" width="${percent(share)}" height="6" rx="3"/>${mark}</svg>`;
}

/** A bar at its place in the whole time; its numbers are in the cells beside it. */
export function spanBar(start: number, length: number, total: number): Html {
  const [from, share] = total > 0 ? [start / total, length / total] : [0, 0];
  return html`<svg class="span" width="100%" height="14" aria-hidden="true" focusable="false"><rect class="track" y="6" width="100%" height="2"/><rect class="fill" x="${percent(Math.min(from, 0.996))}" y="1" width="${percent(Math.max(share, 0.004))}" height="12" rx="2"/></svg>`;
}

export interface ColumnPoint {
  /** Null leaves a gap. */
  readonly value: number | null;
  readonly label: string;
  readonly tone: Tone;
}

export interface ColumnChart {
  /** What the chart shows, in a sentence. */
  readonly label: string;
  readonly points: readonly ColumnPoint[];
  /** Steps for the scale, ascending, in the values' unit. */
  readonly steps: readonly number[];
  readonly format: (value: number) => string;
  /** A line not to be passed; it is drawn if it is not far above everything else. */
  readonly limit?: number | undefined;
  /** Below the first and the last column. */
  readonly ends: readonly [first: string, last: string];
}

const plot = { top: 18, height: 120, bottom: 22 };

/** Columns from zero. One that did not pass is hollow and bears a sign, so that colour says nothing alone. */
export function columnChart({ label, points, steps, format, limit, ends }: ColumnChart): Html {
  const highest = Math.max(0, ...points.map(({ value }) => value ?? 0));
  const top = Math.max(highest, isDrawn(limit, highest) ? limit : 0);
  const step = steps.find((candidate) => top / candidate <= 4) ?? (top > 0 ? top / 3 : 1);
  const lines = Array.from({ length: Math.max(1, Math.ceil(top / step)) + 1 }, (_, index) => index * step);
  const scale = lines.at(-1) ?? 1;
  const y = (value: number): number => Math.round(10 * (plot.top + plot.height * (1 - value / scale))) / 10;
  const height = plot.top + plot.height + plot.bottom;
  return html`<div class="chart" role="img" aria-label="${label}">
<svg class="axis" width="68" height="${height}" aria-hidden="true" focusable="false">${lines.map((value) => html`<text x="60" y="${y(value) + 4}" text-anchor="end">${value === 0 ? "0" : format(value)}</text>`)}</svg>
<svg class="plot" width="100%" height="${height}" aria-hidden="true" focusable="false">
${lines.map((value) => html`<line class="grid" x1="0" x2="100%" y1="${y(value)}" y2="${y(value)}"/>`)}
${points.map((point, index) => column(point, index, points.length, y))}
${isDrawn(limit, highest) ? html`<line class="limit" x1="0" x2="100%" y1="${y(limit)}" y2="${y(limit)}"/>` : undefined}
<text x="0" y="${height - 4}">${ends[0]}</text>${points.length > 1 ? html`<text x="100%" y="${height - 4}" text-anchor="end">${ends[1]}</text>` : undefined}
</svg></div>
`;
}

/** Whether a limit is near enough to the highest value to stand in one chart with it. */
export function isDrawn(limit: number | undefined, highest: number): limit is number {
  return limit !== undefined && limit <= 2 * highest;
}

function column({ value, label, tone }: ColumnPoint, index: number, count: number, y: (value: number) => number): Html | undefined {
  if (value === null) return undefined;
  const width = 1 / Math.max(count, 8);
  const left = index * width;
  const sign = tone === "fail" ? "×" : tone === "unverified" ? "?" : undefined;
  const last = index === count - 1 ? " last" : "";
  return html`<rect class="column ${tone}${last}" x="${percent(left + 0.2 * width)}" width="${percent(0.6 * width)}" y="${y(value)}" height="${Math.max(1, y(0) - y(value))}"><title>${label}</title></rect>${sign === undefined ? undefined : html`<text class="sign" x="${percent(left + 0.5 * width)}" y="${y(value) - 4}" text-anchor="middle">${sign}</text>`}
`;
}

/** 1, 2 and 5 of every power of ten. */
export const decimalSteps: readonly number[] = Array.from({ length: 54 }, (_, index) => ([1, 2, 5][index % 3] ?? 1) * 10 ** Math.floor(index / 3));

/** As clocks are read: up to a minute, an hour, a day, then whole days. */
export const secondSteps: readonly number[] = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30], ...[1, 2, 5, 10, 20, 30].map((minutes) => minutes * 60), ...[1, 2, 4, 6, 12].map((hours) => hours * 3600), ...[1, 2, 5, 10, 20, 50].map((days) => days * 86_400),
];
