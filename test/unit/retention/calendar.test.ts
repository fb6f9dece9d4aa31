import { expect, test } from "vitest";

import { calendar } from "../../../src/retention/calendar.ts";
import { isTimeZone } from "../../../src/time-zone.ts";

const berlin = calendar("Europe/Berlin");
const at = (text: string): Date => new Date(text);

test("a day begins at midnight of the zone, summer and winter", () => {
  expect(berlin.daily(at("2026-07-01T21:59:59Z"))).toBe("2026-07-01");
  expect(berlin.daily(at("2026-07-01T22:00:00Z"))).toBe("2026-07-02");
  expect(berlin.daily(at("2026-12-31T22:59:59Z"))).toBe("2026-12-31");
  expect(berlin.daily(at("2026-12-31T23:00:00Z"))).toBe("2027-01-01");
});

test("the day on which the clocks go back has 25 hours, and its doubled hour is two", () => {
  const hours = Array.from({ length: 26 }, (_, n) => new Date(Date.parse("2026-10-24T21:00:00Z") + n * 3_600_000)).filter((hour) => berlin.daily(hour) === "2026-10-25");
  expect(hours).toHaveLength(25);
  expect(new Set(hours.map(berlin.hourly)).size).toBe(25);
  expect([berlin.hourly(at("2026-10-25T00:30:00Z")), berlin.hourly(at("2026-10-25T01:30:00Z"))]).toEqual(["2026-10-25 02h GMT+02:00", "2026-10-25 02h GMT+01:00"]);
});

test("the day on which the clocks go forward has 23 hours", () => {
  const hours = Array.from({ length: 30 }, (_, n) => new Date(Date.parse("2026-03-28T20:00:00Z") + n * 3_600_000)).filter((hour) => berlin.daily(hour) === "2026-03-29");
  expect(hours).toHaveLength(23);
});

test("weeks are ISO 8601's: they begin on Monday and belong to the year of their Thursday", () => {
  const utc = calendar("UTC");
  const weeks = { "2026-12-31": "2026-W53", "2027-01-03": "2026-W53", "2027-01-04": "2027-W01", "2024-12-29": "2024-W52", "2024-12-30": "2025-W01", "2026-01-01": "2026-W01", "2021-01-01": "2020-W53" };
  for (const [date, week] of Object.entries(weeks)) expect(utc.weekly(at(`${date}T12:00:00Z`)), date).toBe(week);
  expect(berlin.weekly(at("2026-11-22T23:30:00Z"))).toBe("2026-W48");
  expect(utc.weekly(at("2026-11-22T23:30:00Z"))).toBe("2026-W47");
});

test("months and years are the zone's, west of Greenwich and across the date line too", () => {
  const instant = at("2027-01-01T05:00:00Z");
  expect([calendar("America/New_York").monthly(instant), calendar("America/Los_Angeles").yearly(instant), calendar("Pacific/Kiritimati").daily(instant)]).toEqual(["2027-01", "2026", "2027-01-01"]);
});

test("a zone is an IANA name that this machine knows", () => {
  for (const name of ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"]) expect(isTimeZone(name), name).toBe(true);
  for (const name of ["", "Europe/Berlni", "Mars/Olympus", "+02:00", "local", "Europe/Berlin "]) expect(isTimeZone(name), name).toBe(false);
});
