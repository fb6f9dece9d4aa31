import { describe, expect, test } from "vitest";

import { formatBytes, formatCount, formatDuration, formatInstant, formatRate, formatSeconds, printable, readable } from "../../../src/text/format.ts";

test("bytes are shown in decimal units with two or three digits", () => {
  expect([0, 999, 999.5, 1_949, 58_777_525, 99_949_999, 99_950_000, 999_499_999, 999_500_000, 3e15, 4e18].map(formatBytes)).toEqual(
    ["0 B", "999 B", "1.0 kB", "1.9 kB", "58.8 MB", "99.9 MB", "100 MB", "999 MB", "1.0 GB", "3.0 PB", "4000 PB"],
  );
});

test("seconds never round up to a sixtieth", () => {
  expect([0, 0.04, 9.94, 9.96, 59.4, 59.6, 60, 119.6, 250, 3_599.7, 7_500].map(formatSeconds)).toEqual(
    ["0.0 s", "0.0 s", "9.9 s", "10 s", "59 s", "1 min 0 s", "1 min 0 s", "2 min 0 s", "4 min 10 s", "1 h 0 min", "2 h 5 min"],
  );
});

test("counts are grouped in threes", () => {
  expect([0, 999, 40_512, 1_500_000].map(formatCount)).toEqual(["0", "999", "40 512", "1 500 000"]);
});

describe("readable", () => {
  test.each([
    ["306000000 bytes, 58777525 bytes stored", "306 MB, 58.8 MB stored"],
    ["2 tables, 1500000 rows equal", "2 tables, 1 500 000 rows equal"],
    ["expected 123456 bytes, found missing", "expected 123 kB, found missing"],
    ["999 bytes free (1000 bytes needed)", "999 bytes free (1.0 kB needed)"],
  ])("makes %j readable", (text, shown) => {
    expect(readable(text)).toBe(shown);
  });

  test.each([
    'database "20241231 bytes" does not exist',
    "run `holdfast backup list --database 2024 bytes`",
    "/srv/2024 bytes-of-backup",
    "ehr-20261121T212413Z-9b91 is not whole",
    "archive-2024 rowspan",
    "port 33163, id 58777525",
    "public.2024 rows_old",
    "x2024 bytes",
    "1.2345 bytes",
  ])("leaves names, paths and numbers of another kind alone: %j", (text) => {
    expect(readable(text)).toBe(text);
  });
});

test("control characters and marks that turn the writing are shown as what cannot be shown", () => {
  expect(printable("a\u001b[31mb\u0007c\rd\u202ee\u2028f")).toBe("a�[31mb�c�d�e�f");
  expect(printable("line\n\tnext, Ärztin, 患者, 👩‍⚕️")).toBe("line\n\tnext, Ärztin, 患者, 👩‍⚕️");
});

test("durations end where there is nothing more to say, and count days from two on", () => {
  expect([0, 0.02, 0.05, 5, 24.8, 60, 250, 14_400, 86_400, 171_000, 172_800, 180_000, 864_000].map(formatDuration)).toEqual(
    ["0 s", "< 0.1 s", "0.1 s", "5 s", "25 s", "1 min", "4 min 10 s", "4 h", "24 h", "2 d", "2 d", "2 d 2 h", "10 d"],
  );
});

test("a rate needs a time", () => {
  expect([formatRate(411_204_118, 2.104), formatRate(1, 0)]).toEqual(["195 MB/s", undefined]);
});

test("a moment is told in UTC", () => {
  expect(formatInstant("2026-11-21T03:12:00.412Z")).toBe("2026-11-21 03:12:00 UTC");
});
