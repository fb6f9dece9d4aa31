import { expect, test } from "vitest";

import { backupKey, indexKey, lockKey, markerKey } from "../../../src/catalog/layout.ts";
import { placeOf } from "../../../src/catalog/places.ts";
import { unpublishedKind } from "../../../src/catalog/unpublished.ts";

const id = "ehr-20261121T020000Z-7f3a";

test.each([
  [markerKey, { room: "marker" }],
  ["timeline/2026/0000000001.json", { room: "timeline" }],
  ["probe/locks/0123456789ab/object", { room: "probe" }],
  [lockKey("ehr", "backup"), { room: "lock", database: "ehr" }],
  [indexKey("ehr"), { room: "index", database: "ehr" }],
  ...["manifest.json", "manifest.json.sig", "key.age", "key.age.sig", "key.json", "data.pgdump.zst.age", "globals.sql.zst.age", "catalog.json.zst.age"].map((file) => [backupKey("ehr", id, file), { room: "backup", database: "ehr", id, file }] as const),
  [`ehr/holds/${id}.json`, { room: "hold", database: "ehr" }],
  [`ehr/holds/${id}.json.sig`, { room: "hold", database: "ehr" }],
  ["ehr/checkpoints/v1.2.json", { room: "checkpoint", database: "ehr" }],
  [`ehr/shredded/${id}.json`, { room: "shredded", database: "ehr", id }],
  ["origin.timeline/2026/0000000001.json", { room: "escrow" }],
  [`ehr/drills/drill-${id}/evidence.json`, { room: "drill", database: "ehr" }],
] as const)("%s has its place", (key, place) => {
  expect(placeOf(key)).toEqual(place);
});

test.each([
  "notes.txt", "ehr/notes.txt", "EHR/locks/backup.json", "ehr/locks/backup.json/x", "ehr/locks/backup.txt", "ehr/index.jsonl.sig", "ehr/index.json", "ehr/backups/notes.txt",
  `ehr/backups/${id}`, `ehr/backups/${id}/notes.txt`, `ehr/backups/${id}/parts/data.pgdump.zst.age`, `ehr/backups/${id}/manifest.json.bak`, `portal/backups/${id}/manifest.json`,
  "ehr/backups/somebody's/manifest.json", "ehr/holds/notes.json", "ehr/drills/evidence.json", "ehr/drills/drill-portal-20261121T020000Z-7f3a/evidence.json", "ehr/other/x.json", "origin.timeline/notes.txt", "holdfast.json.bak", "",
])("%j is foreign", (key) => {
  expect(placeOf(key)).toBeUndefined();
});

const never = { published: false, removed: false };
const lost = { published: true, removed: false };
const going = { published: true, removed: true };

test.each([
  [["data.pgdump.zst.age"], never, "unfinished-backup"],
  [["data.pgdump.zst.age", "key.age", "key.age.sig", "manifest.json.sig"], never, "unfinished-backup"],
  [["data.pgdump.zst.age", "key.age"], lost, "lost-manifest"],
  [["data.pgdump.zst.age", "key.age"], going, "unfinished-backup"],
  // Nobody can open it any more.
  [["data.pgdump.zst.age"], lost, "unfinished-backup"],
  [["key.age", "key.age.sig", "manifest.json.sig"], lost, "orphaned-key"],
  [["manifest.json.sig"], lost, "orphaned-signature"],
  [["key.age.sig"], never, "orphaned-signature"],
] as const)("a folder with %j, history %j, is %s", (files, history, kind) => {
  expect(unpublishedKind(files, history)).toBe(kind);
});
