import { expect, test } from "vitest";

import { nearest } from "../../../src/config/nearest.ts";
import { parseDuration, parseSize } from "../../../src/config/units.ts";

test.each([
  ["1048576", 1_048_576], ["16MiB", 16_777_216], ["5 GB", 5e9], ["1.5KiB", 1536], ["1kb", 1000], ["7B", 7],
  ["16M", undefined], ["-1MiB", undefined], ["0.3B", undefined], ["1e9", undefined], ["", undefined], ["999999999TiB", undefined],
])("the size %j is %j bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([
  ["500ms", 500], ["30s", 30_000], ["5m", 300_000], ["1.5h", 5_400_000], ["7d", 604_800_000],
  ["30", undefined], ["5M", undefined], ["-5s", undefined], ["s", undefined], ["", undefined],
])("the duration %j is %j milliseconds", (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each([
  ["recipent", "recipients"], ["pg_bin", "pgBin"], ["reciepients", "recipients"], ["OPERATOR", "operator"], ["xyz", undefined], ["ul", "url"],
])("%s most likely meant %s", (name, meant) => {
  expect(nearest(name, ["recipients", "pgBin", "operator", "url"])).toBe(meant);
});
