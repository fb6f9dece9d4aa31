/** How report.html looks. It stands in templates of its own language, so that nothing but these lines ever gets there unescaped. */
import { html } from "../../text/markup.ts";

/** Every pair of a text's colour and its ground has a contrast of 4.5 or more; a test in a browser computes them. */
const colours = html`
:root{color-scheme:light dark;--paper:#fdfcfa;--ink:#1c2024;--soft:#59616b;--line:#dfdcd5;--quiet:#f4f2ed;--bar:#4a6785;--past:#a3b3c4;
--pass:#17663a;--pass-ground:#eaf4ed;--fail:#a3222b;--fail-ground:#fbecea;--unverified:#7a4d00;--unverified-ground:#fbf2de;--left-out:#59616b}
@media (prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e4e6e8;--soft:#9ba5af;--line:#2f353b;--quiet:#1c2024;--bar:#8fb0d0;--past:#4f6174;
--pass:#74cf98;--pass-ground:#152a1e;--fail:#ff9089;--fail-ground:#331b1b;--unverified:#efbe5c;--unverified-ground:#2f2613;--left-out:#9ba5af}}
`;

const base = html`
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0 auto;max-width:62rem;padding:1.5rem clamp(1rem,4vw,3rem) 3rem;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
p{margin:.5rem 0;max-width:70ch}
h1,h2,h3{line-height:1.2;text-wrap:balance}
h2{margin:3.25rem 0 .75rem;font-size:1.35rem;font-weight:600;letter-spacing:-.01em}
h3{margin:2rem 0 .5rem;font-size:1rem;font-weight:600}
dl,dd,ul,ol,figure{margin:0;padding:0}
code,pre,.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.875em}
time{white-space:nowrap}
.masthead,footer{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 2rem;color:var(--soft);font-size:.875rem}
.masthead p,footer p{margin:0}
footer{margin-top:3.25rem;padding-top:.75rem;border-top:1px solid var(--line)}
`;

const verdict = html`
.icon{flex:none;width:1.15em;height:1.15em;fill:none;stroke:currentColor;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
.pass{--tone:var(--pass);--ground:var(--pass-ground)}.fail{--tone:var(--fail);--ground:var(--fail-ground)}
.unverified{--tone:var(--unverified);--ground:var(--unverified-ground)}.left-out{--tone:var(--left-out);--ground:var(--quiet)}
.badge{display:inline-flex;align-items:center;gap:.4em;color:var(--tone);font-weight:600;white-space:nowrap}
.verdict{margin-top:1rem;padding:clamp(1.25rem,4vw,2.25rem);background:var(--ground);border-top:4px solid var(--tone);border-radius:2px}
.verdict h1{display:flex;align-items:center;gap:.35em;margin:0;color:var(--tone);font-size:clamp(1.75rem,7vw,3rem);font-weight:700;letter-spacing:-.015em}
.verdict h1 .icon{width:.85em;height:.85em}
.summary{margin:.75rem 0 0;font-size:clamp(1.05rem,2.6vw,1.3rem);line-height:1.4}
.troubles{margin-top:1.25rem;list-style:none}
.troubles li{display:flex;gap:.6rem;margin:.5rem 0;max-width:80ch}
.troubles .icon{margin-top:.2em;color:var(--tone)}
.troubles p{margin:0}
.troubles strong{color:var(--tone)}
.troubles p:first-child{font-weight:600}
.more{color:var(--soft)}
.verdict .more{color:inherit}
.head{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem 2rem;margin-top:1.75rem}
dt{color:var(--soft);font-size:.8125rem}
.verdict dt{color:inherit}
.objectives{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:2rem 3rem}
.objective h3{margin:0;color:var(--soft);font-weight:500}
.objective p{margin:0}
.figure{font-size:2.25rem;font-weight:600;letter-spacing:-.02em;line-height:1.25}
.promise{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem}
.objective .meaning{margin-top:.25rem;color:var(--soft);font-size:.875rem}
.gauge{display:block;margin:.5rem 0 0}
`;

const tables = html`
table{width:100%;border-collapse:collapse;font-size:.9375rem;line-height:1.45}
caption{padding:0 0 .6rem;color:var(--soft);text-align:left}
th,td{padding:.5rem 1.25rem .5rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--soft);font-size:.8125rem;font-weight:500;white-space:nowrap}
tbody th{font-weight:500}
.group th{padding-top:1.5rem;font-weight:600}
tbody:nth-of-type(1) .group th{padding-top:.75rem}
.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.checks tbody th{width:27%}
.left tbody th,.actions tbody th{width:45%}
.bar{width:44%}
td.bar{vertical-align:middle}
.span{display:block}
.record>div{display:grid;grid-template-columns:11rem 1fr;gap:0 1.25rem;padding:.45rem 0;border-bottom:1px solid var(--line);font-size:.9375rem}
.record dt{font-size:inherit}
.review{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:0 3rem}
.review>div{display:flex;align-items:flex-end;gap:.75rem;min-height:3.25rem}
.review dd{flex:1;border-bottom:1px solid var(--soft)}
.scratch{display:flex;flex-wrap:wrap;gap:0 .75rem}
.steps{padding-left:1.5rem}
.steps li{margin:1rem 0}
.steps p{margin:.25rem 0}
.steps .prints{color:var(--soft);font-size:.875rem}
pre{margin:.25rem 0;padding:.65rem .85rem;background:var(--quiet);border-radius:3px;white-space:pre-wrap}
`;

const charts = html`
.track{fill:var(--line)}.fill{fill:var(--bar)}
.objective .fill{fill:var(--tone)}.mark{fill:var(--ink)}
.trends{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1.5rem 3rem}
figcaption{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem;margin-bottom:.5rem;font-weight:500}
figcaption span{color:var(--soft);font-size:.875rem;font-weight:400}
.chart{display:grid;grid-template-columns:68px minmax(0,1fr)}
.chart svg{display:block}
.chart text{fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}
.grid{stroke:var(--line)}
.chart .limit{stroke:var(--ink);stroke-dasharray:4 3}
.column{fill:var(--past)}.column.last{fill:var(--bar)}
.column.fail,.column.unverified{fill:var(--paper);stroke:var(--tone);stroke-width:1.5}
.column.unverified{stroke-dasharray:3 2}
.chart .sign{fill:var(--ink);font-size:12px;font-weight:600}
.legend{color:var(--soft);font-size:.875rem}
table.trend{margin-top:1.5rem}
`;

const phone = html`
@media (max-width:40rem){
h2{margin-top:2.5rem}
table,tbody,tbody tr,tbody th,tbody td,caption{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
tbody tr{display:flex;flex-wrap:wrap;gap:.15rem 1.25rem;padding:.7rem 0;border-bottom:1px solid var(--line)}
tbody tr.group{padding:1.5rem 0 .5rem}
tbody th,tbody td,tbody:nth-of-type(n) .group th{padding:0;border:0}
table.checks tbody th,table.left tbody th,table.actions tbody th,tbody th,.checks td:nth-of-type(2),td.bar{width:100%}
td.number{text-align:left}
td.number.none{display:none}
td.number::before{content:attr(data-title) " ";color:var(--soft)}
.actions td::before{content:attr(data-title) ": ";color:var(--soft)}
.record>div{grid-template-columns:1fr}
}
`;

const paper = html`
@page{margin:16mm 15mm}
@media print{
:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#4a4f55;--line:#c9c9c9;--quiet:#f3f3f3;--bar:#4a6785;--past:#a3b3c4;
--pass:#17663a;--pass-ground:#fff;--fail:#a3222b;--fail-ground:#fff;--unverified:#7a4d00;--unverified-ground:#fff;--left-out:#4a4f55}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
html{font-size:9.5pt}
th,td{padding-top:.35rem;padding-bottom:.35rem}
.record>div{padding:.3rem 0}
body{max-width:none;padding:0}
.verdict{padding:1rem 1.25rem;border:1px solid var(--tone);border-top-width:4px}
h2{margin-top:1.9rem}
h2,h3,caption,thead,.group{break-after:avoid}
tbody,footer{break-before:avoid}
tbody+tbody{break-before:auto}
table.left,table.phases,table.actions,tr,.objective,figure,.steps li,.review,.record>div{break-inside:avoid}
p{orphans:3;widows:3}
}
`;

export const style = html`${colours}${base}${verdict}${tables}${charts}${phone}${paper}`;
