import fc from "fast-check";
import { expect, test } from "vitest";

import { backupFolder, backupId, backupKey, databaseOfId, lockKey, partFile } from "../../../src/catalog/layout.ts";
import { databaseName } from "../../../src/config/schema.ts";

const names = fc.stringMatching(databaseName);
const suffixes = fc.stringMatching(/^[0-9a-f]{4}$/);
const times = fc.date({ min: new Date("2000-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true });

test("an id tells its database, whatever short name the configuration allows", () => {
  fc.assert(fc.property(names, times, suffixes, (name, at, suffix) => { expect(databaseOfId(backupId(name, at, suffix))).toBe(name); }));
});

test("the ids of a database sort by the second of their run", () => {
  fc.assert(
    fc.property(names, times, times, suffixes, (name, a, b, suffix) => {
      const order = Math.sign(Math.floor(a.getTime() / 1000) - Math.floor(b.getTime() / 1000));
      const [first, second] = [backupId(name, a, suffix), backupId(name, b, suffix)];
      expect(first < second ? -1 : first > second ? 1 : 0).toBe(order);
    }),
  );
});

test.each(["", "latest", "ehr", "ehr-20261121T020000Z", "ehr-20261121T020000Z-7F3A", "ehr-20261121T020000Z-7f3a/..", "../ehr-20261121T020000Z-7f3a", "-20261121T020000Z-7f3a", "EHR-20261121T020000Z-7f3a", "ehr-20261121T020000Z-7f3a\n", "a/b-20261121T020000Z-7f3a", "ehr-2026112T020000Z-7f3a", "ehr-20261121T020000Z-7f3a0"])(
  "%j is no id",
  (text) => { expect(databaseOfId(text)).toBeUndefined(); },
);

test("nothing that is taken for an id can leave the folder of its database", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.stringMatching(/^[a-z./-]{0,20}-\d{8}T\d{6}Z-[0-9a-f]{4}$/)), (text) => {
      const database = databaseOfId(text);
      if (database !== undefined) expect(text).toMatch(/^[a-z0-9_TZ-]+$/);
    }),
  );
});

test("keys are those of the format's page", () => {
  const id = backupId("ehr", new Date("2026-11-21T02:00:00.999Z"), "7f3a");
  expect(id).toBe("ehr-20261121T020000Z-7f3a");
  expect(backupFolder("ehr", id)).toBe("ehr/backups/ehr-20261121T020000Z-7f3a/");
  expect(backupKey("ehr", id, partFile("data", "pgdump"))).toBe("ehr/backups/ehr-20261121T020000Z-7f3a/data.pgdump.zst.age");
  expect(lockKey("ehr", "backup")).toBe("ehr/locks/backup.json");
});
