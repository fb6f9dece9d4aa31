/* global document, getComputedStyle, innerWidth, NodeFilter, SVGElement */
// Evaluated inside a page: what is wrong with it for somebody who reads it on a phone, with other eyes, or by ear.
(() => {
  const problems = [];
  const name = (element) => `<${element.localName}${element.className && typeof element.className === "string" ? ` class="${element.className}"` : ""}>`;
  const all = (selector) => [...document.querySelectorAll(selector)];
  // On a phone the column headings are for those who listen.
  const unseen = (element) => { const head = element.closest("thead"); return head !== null && getComputedStyle(head).position === "absolute"; };

  if (!document.documentElement.lang) problems.push("no language");
  if (!document.title) problems.push("no title");
  for (const landmark of ["header", "main", "footer"]) if (all(landmark).length !== 1) problems.push(`${all(landmark).length} of ${landmark}`);

  const levels = all("h1, h2, h3, h4, h5, h6").map((heading) => Number(heading.localName[1]));
  if (levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1) problems.push("not one h1 at the beginning");
  levels.forEach((level, index) => { if (index > 0 && level > levels[index - 1] + 1) problems.push(`h${level} after h${levels[index - 1]}`); });

  for (const table of all("table")) {
    if (!table.querySelector(":scope > caption")?.textContent.trim()) problems.push("a table without a caption");
    for (const cell of table.querySelectorAll("th")) if (!cell.scope) problems.push(`a heading cell without a scope: ${cell.textContent}`);
    for (const row of table.querySelectorAll("tbody tr")) if (!row.querySelector("th")) problems.push(`a row without a heading: ${row.textContent}`);
  }
  for (const picture of all("svg, img")) {
    const named = picture.getAttribute("alt") || (picture.getAttribute("role") === "img" && picture.getAttribute("aria-label"));
    if (!named && !picture.closest("[aria-hidden=true]")) problems.push(`a picture without an alternative: ${name(picture)}`);
  }
  const ids = all("[id]").map((element) => element.id);
  for (const id of new Set(ids)) if (ids.indexOf(id) !== ids.lastIndexOf(id)) problems.push(`id ${id} twice`);
  for (const element of all("[aria-labelledby]")) if (!document.getElementById(element.getAttribute("aria-labelledby"))) problems.push(`${name(element)} is labelled by nothing`);
  for (const section of all("section")) if (!section.hasAttribute("aria-labelledby")) problems.push("a section without a name");

  if (document.documentElement.scrollWidth > innerWidth) problems.push(`${document.documentElement.scrollWidth} px wide in a window of ${innerWidth} px`);
  for (const element of all("body *")) {
    const { left, right } = element.getBoundingClientRect();
    if ((right > innerWidth + 0.5 || left < -0.5) && !unseen(element)) problems.push(`${name(element)} lies outside: ${left} to ${right}`);
    if (!(element instanceof SVGElement) && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1 && getComputedStyle(element).display !== "inline" && !unseen(element)) problems.push(`${name(element)} is too narrow for what is in it`);
  }

  const channels = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour) => {
    const [red, green, blue] = channels(colour).map((channel) => ((share) => (share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4))(channel / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const opaque = (colour) => { const [, , , alpha] = channels(colour); return colour.startsWith("rgb") && alpha !== 0; };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) if (opaque(getComputedStyle(at).backgroundColor)) return getComputedStyle(at).backgroundColor;
    return "rgb(255, 255, 255)";
  };
  const seen = new Set();
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.localName === "title") continue;
    texts += 1;
    const style = getComputedStyle(element);
    const [text, behind] = [element instanceof SVGElement ? style.fill : style.color, ground(element)];
    const [light, dark] = [luminance(text), luminance(behind)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (!(ratio >= 4.5) && !seen.has(`${text} ${behind}`)) {
      seen.add(`${text} ${behind}`);
      problems.push(`${text} on ${behind} has a contrast of ${ratio.toFixed(2)}: ${walker.currentNode.textContent.trim().slice(0, 40)}`);
    }
  }
  if (texts < 5) problems.push("hardly a word on it");

  return { problems, ground: ground(document.body), verdictBottom: document.querySelector("h1")?.getBoundingClientRect().bottom ?? null };
})();
