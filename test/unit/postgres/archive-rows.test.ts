import fc from "fast-check";
import { expect, test } from "vitest";

import { RowCounter } from "../../../src/postgres/archive-rows.ts";

const script = `--
-- Data for Name: people; Type: TABLE DATA
--

COPY public.people (id, name) FROM stdin;
1\tAda
2\tCOPY public.other (id) FROM stdin;
3\t\\\\.
\\.


COPY "odd schema"."a ""b"".
c" (x) FROM stdin;
\\.

SELECT pg_catalog.lowrite(0, '\\x00');
COPY public.empty  FROM stdin;


\\.
SELECT pg_catalog.setval('public.people_id_seq', 3, true);
`;

test("rows are counted by table, whatever they hold and however the script is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
      const counter = new RowCounter();
      const bytes = Buffer.from(script);
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length]!;
        counter.push(bytes.subarray(at, at + size));
        at += size;
      }
      expect(Object.fromEntries(counter.counts)).toEqual({ "public.people": 3, 'odd schema.a "b".\nc': 0, "public.empty": 2 });
      expect(counter.finished()).toBe(true);
    }),
  );
});

test("a script that ends among a table's rows has not ended", () => {
  const counter = new RowCounter();
  counter.push(Buffer.from("COPY public.people (id) FROM stdin;\n1\n2"));
  expect(counter.finished()).toBe(false);
});
