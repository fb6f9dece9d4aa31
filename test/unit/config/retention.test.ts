import { expect, test } from "vitest";

import { showConfig } from "../../../src/config/show.ts";
import { workspace } from "./workspace.ts";

const day = 86_400_000;
const file = (retention: string) => ({ "holdfast.yaml": `databases:\n  ehr:\n    url: postgresql://u@h/ehr\n    retention: ${retention}\n` });

test("without a retention there is none, and nothing is ever removed", async () => {
  const { load } = await workspace({ "holdfast.yaml": "databases: { ehr: { url: postgresql://u@h/ehr } }" });
  expect((await load()).databases.get("ehr")!.retention).toBeUndefined();
});

test("what a retention does not say has its default: 90 days, three backups, UTC, prune after backup", async () => {
  const { load } = await workspace(file("{ daily: 7 }"));
  expect((await load()).databases.get("ehr")!.retention).toEqual({
    keepLast: 0, keepWithinMs: 0, hourly: 0, daily: 7, weekly: 0, monthly: 0, yearly: 0, timeZone: "UTC", minimumAgeMs: 90 * day, minimumCount: 3, requireVerified: null, labels: {}, prune: "after-backup",
  });
});

test("a label's rules are its own, and its limits are the database's where it has none", async () => {
  const { load } = await workspace(file("{ keepWithin: 14d, weekly: 8, timeZone: Europe/Berlin, requireVerified: hash, labels: { pre-deploy: { keepLast: 10, minimumAge: 14d } }, prune: never }"));
  const retention = (await load()).databases.get("ehr")!.retention!;
  expect(retention).toMatchObject({ keepWithinMs: 14 * day, weekly: 8, prune: "never" });
  expect(retention.labels["pre-deploy"]).toEqual({
    keepLast: 10, keepWithinMs: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, timeZone: "Europe/Berlin", minimumAgeMs: 14 * day, minimumCount: 3, requireVerified: "hash",
  });
});

test("the environment suffices", async () => {
  const { load } = await workspace();
  const config = await load({ DATABASE_URL: "postgresql://u@h/ehr", HOLDFAST_RETENTION_DAILY: "14", HOLDFAST_RETENTION_MINIMUM_AGE: "30d", HOLDFAST_RETENTION_TIME_ZONE: "Europe/Vienna" });
  expect(config.databases.get("main")!.retention).toMatchObject({ daily: 14, minimumAgeMs: 30 * day, timeZone: "Europe/Vienna" });
  const shown = showConfig(config).settings.find(({ name }) => name === "databases.main.retention.minimumAge");
  expect(shown).toMatchObject({ value: 30 * day, from: "HOLDFAST_RETENTION_MINIMUM_AGE" });
});

test.each([
  ["{ daily: -1 }", "databases.ehr.retention.daily is -1, but must be a whole number from 0 to 100000"],
  ["{ daily: 1.5 }", "databases.ehr.retention.daily is 1.5, but must be a whole number from 0 to 100000"],
  ["{ keepLast: 3, timeZone: Europe/Berlni }", 'databases.ehr.retention.timeZone is "Europe/Berlni", but must be an IANA time zone that this machine knows'],
  ["{ keepLast: 3, timeZone: +02:00 }", "must be an IANA time zone"],
  ["{ keepLast: 3, minimumAge: 90 }", "databases.ehr.retention.minimumAge is 90, but must be a duration from 0s to 36500d"],
  ["{ keepLast: 3, minimumAge: -90d }", "but must be a duration"],
  ["{ minimumAge: 90d, minimumCount: 9 }", "databases.ehr.retention: every rule is 0, so nothing would be kept"],
  ["{ daily: 0, keepWithin: 0s }", "every rule is 0, so nothing would be kept"],
  ["{ daily: 7, labels: { pre-deploy: { minimumAge: 14d } } }", "databases.ehr.retention.labels.pre-deploy: every rule is 0"],
  ["{ daily: 7, labels: { pre-deploy: { keepLast: -2 } } }", "databases.ehr.retention.labels.pre-deploy.keepLast is -2, but must be a whole number"],
  ["{ daily: 7, dayly: 1 }", "unknown key `dayly` at databases.ehr.retention; did you mean `daily`?"],
  ["{ keepLast: 3, requireVerified: yes }", "but must be stat or hash or archive"],
  ["{ keepLast: 3, prune: always }", 'databases.ehr.retention.prune is "always", but must be after-backup or never'],
])("%s is refused, and says why", async (retention, message) => {
  const { failure } = await workspace(file(retention));
  expect((await failure()).message).toContain(message);
});
