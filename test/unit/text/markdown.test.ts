import { expect, test } from "vitest";

import { codeBlock, markdown, markdownTable } from "../../../src/text/markdown.ts";

test.each([
  ["*bold* _thin_ ~~gone~~", String.raw`\*bold\* \_thin\_ \~\~gone\~\~`],
  ["`code` [link](x) ![image](y)", String.raw`\`code\` \[link\](x) !\[image\](y)`],
  ["<script>alert(1)</script> &amp;", "&lt;script&gt;alert(1)&lt;/script&gt; &amp;amp;"],
  ["a | b\n# c\r\n\r\n- d", String.raw`a \| b \# c - d`],
  ["https://example.com www.example.com me@example.com", "https&#58;//example.com www&#46;example.com me&#64;example.com"],
  ["$x$ \\", String.raw`\$x\$ \\`],
])("%j stays plain text", (text, written) => {
  expect(markdown`${text}`.toString()).toBe(written);
});

test("a table has one row a line, whatever its cells hold", () => {
  expect(markdownTable(["a", "b"], [["1\n2", "x|y"], [markdown`**z**`, ""]], [1]).toString()).toBe("| a | b |\n| --- | ---: |\n| 1 2 | x\\|y |\n| **z** |  |\n");
});

test("a block of commands cannot be closed or grown from inside", () => {
  expect(codeBlock(["echo '```'", "# prints a\nrm b"]).toString()).toBe("````sh\necho '```'\n# prints a rm b\n````\n");
});
