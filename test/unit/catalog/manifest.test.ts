import fc from "fast-check";
import { expect, test } from "vitest";

import { type Manifest, parseManifest, partNamed, serializeManifest, storedBytes } from "../../../src/catalog/manifest.ts";
import { manifestOf } from "./fixture.ts";

const texts = fc.string({ unit: "binary" });
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const instants = fc.date({ min: new Date("2000-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }).map((date) => date.toISOString());
const part = fc.record({
  name: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
  bytes: count,
  sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
  plainBytes: count,
}).map((facts) => ({ ...facts, file: `${facts.name}.pgdump.zst.age` }));
const parts = fc.uniqueArray(part, { minLength: 1, selector: ({ name }) => name });

const manifests: fc.Arbitrary<Manifest> = fc
  .record({
    id: texts,
    database: texts,
    label: fc.option(texts),
    reason: fc.option(texts),
    startedAt: instants,
    snapshotAt: instants,
    finishedAt: instants,
    createdBy: fc.record({ holdfast: texts, host: texts, user: texts }),
    source: fc.record({ database: texts, server: texts, client: texts }),
    partial: fc.boolean(),
    roles: fc.array(texts),
    parts,
    signer: texts,
  })
  .map((changes) => ({ ...manifestOf("2026-11-21T02:00:00Z"), ...changes }));

const parse = (json: unknown) => parseManifest(Buffer.from(JSON.stringify(json)), "manifest.json");
const failure = (json: unknown): unknown => {
  try {
    return parse(json);
  } catch (error) {
    return error;
  }
};

test("what is serialized is read back the same, and serialized again to the same bytes", () => {
  fc.assert(
    fc.property(manifests, (manifest) => {
      const bytes = serializeManifest(manifest);
      const read = parseManifest(bytes, "manifest.json");
      expect(read).toEqual(manifest);
      expect(serializeManifest(read).equals(bytes)).toBe(true);
    }),
  );
});

test("bytes that are no manifest are an integrity error and never a crash", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.json().map((text) => Buffer.from(text))), (bytes) => {
      expect(() => parseManifest(Buffer.from(bytes), "manifest.json")).toThrow(expect.objectContaining({ code: "integrity" }));
    }),
  );
});

test("a field that format 1 does not know is refused, at every level", () => {
  const manifest = manifestOf("2026-11-21T02:00:00Z");
  expect(failure({ ...manifest, extra: 1 })).toMatchObject({ code: "integrity", message: expect.stringContaining("extra") as string });
  for (const field of ["createdBy", "source", "compression", "encryption"] as const) {
    expect(failure({ ...manifest, [field]: { ...manifest[field], extra: 1 } })).toMatchObject({ code: "integrity", message: expect.stringContaining(field) as string });
  }
  expect(failure({ ...manifest, parts: [{ ...manifest.parts[0], extra: 1 }] })).toMatchObject({ code: "integrity", message: expect.stringContaining("parts[0]") as string });
});

test("a field that is missing is refused", () => {
  for (const name of Object.keys(manifestOf("2026-11-21T02:00:00Z"))) {
    expect(failure({ ...manifestOf("2026-11-21T02:00:00Z"), [name]: undefined }), name).toMatchObject({ code: "integrity" });
  }
});

test.each([0, 2, "1", null, undefined, [1], 1.5])("format %j is refused before anything else is looked at", (format) => {
  const error = failure({ format, whatever: "a later format brings" });
  expect(error).toMatchObject({ code: "integrity", message: `manifest.json has format ${JSON.stringify(format)}, but this holdfast reads format 1` });
});

test.each([
  ["no parts", { parts: [] }],
  ["a file outside the folder", { parts: [{ ...manifestOf("2026-11-21T02:00:00Z").parts[0]!, file: "../key.age" }] }],
  ["a short digest", { parts: [{ ...manifestOf("2026-11-21T02:00:00Z").parts[0]!, sha256: "abc" }] }],
  ["a negative size", { parts: [{ ...manifestOf("2026-11-21T02:00:00Z").parts[0]!, bytes: -1 }] }],
  ["a local time", { snapshotAt: "2026-11-21T02:00:00.000" }],
  ["another zone than UTC", { snapshotAt: "2026-11-21T02:00:00.000+01:00" }],
  ["a part twice", { parts: [manifestOf("2026-11-21T02:00:00Z").parts[0]!, manifestOf("2026-11-21T02:00:00Z").parts[0]!] }],
  ["a truth that is none", { truth: null }],
])("a manifest with %s is refused", (_, changes) => {
  expect(failure({ ...manifestOf("2026-11-21T02:00:00Z"), ...changes })).toMatchObject({ code: "integrity" });
});

test("a part is found by its name, and one that is not there is named", () => {
  const manifest = manifestOf("2026-11-21T02:00:00Z");
  expect(partNamed(manifest, "data").file).toBe("data.pgdump.zst.age");
  expect(() => partNamed(manifest, "globals")).toThrow(`backup ${manifest.id} has no part globals`);
  expect(storedBytes({ ...manifest, parts: [manifest.parts[0]!, { ...manifest.parts[0]!, bytes: 4 }] })).toBe(7);
});
