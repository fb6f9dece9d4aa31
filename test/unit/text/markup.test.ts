import fc from "fast-check";
import { expect, test } from "vitest";

import { html, xml } from "../../../src/text/markup.ts";

test("what is put into a template is text", () => {
  const name = `<script>alert("1")</script> & 'more'`;
  expect(html`<p title="${name}">${name}</p>`.toString()).toBe(
    `<p title="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39;">&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39;</p>`,
  );
});

test("templates go into templates, also in lists, and nothing leaves no trace", () => {
  expect(html`<ul>${["a", "<"].map((item) => html`<li>${item}</li>`)}${undefined}${null}${[[0], "b"]}</ul>`.toString()).toBe("<ul><li>a</li><li>&lt;</li>0b</ul>");
});

test("only what the same tag made goes in unescaped", () => {
  const impostor = { toString: () => "<b>" } as ReturnType<typeof html>;
  const other = xml`<b/>` as unknown as ReturnType<typeof html>;
  expect(html`${impostor}${other}`.toString()).toBe("&lt;b&gt;&lt;b/&gt;");
});

test("an attribute without quotes is refused", () => {
  expect(() => html`<p class=${"a onclick=b"}>`).toThrow("an attribute's value must stand in quotes: <p class=");
});

test("what would steer the writing or is no character at all is replaced", () => {
  expect(xml`${"a\0b\u001bc\u202ed\ud800e\uffffg\u0085"}`.toString()).toBe("a\ufffdb\ufffdc\ufffdd\ufffde\ufffdg\ufffd");
});

test("no value can be told from markup by a reader of markup", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    expect(html`<p title="${text}">${text}</p>`.toString()).toMatch(/^<p title="[^<>"']*">[^<>"']*<\/p>$/);
  }));
});
