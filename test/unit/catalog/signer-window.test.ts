import { expect, test } from "vitest";

import { generateSigningKey, loadTrustedSigners } from "../../../src/catalog/signatures.ts";
import { isValidAt } from "../../../src/catalog/signer-window.ts";
import { listBackups } from "../../../src/catalog/listing.ts";
import { openRepository } from "../../../src/catalog/repository.ts";
import { freshCatalog, freshKeys, manifestOf } from "./fixture.ts";

const [one, two] = [generateSigningKey(), generateSigningKey()];

test("dates right before a key are its own, whatever else people write there", () => {
  const text = `# the first one\n# valid-until: 2026-12-01T00:00:00Z\n${one.publicKeyPem}\r\n#Valid-From:2026-11-21T01:00:00+01:00\r\n# valid-until = 2027-11-21T00:00:00Z\r\n${two.publicKeyPem}\n# end`;
  expect(loadTrustedSigners(text, "X").map(({ id, validFrom, validUntil }) => [id, validFrom?.toISOString(), validUntil?.toISOString()])).toEqual([
    [one.id, undefined, "2026-12-01T00:00:00.000Z"],
    [two.id, "2026-11-21T00:00:00.000Z", "2027-11-21T00:00:00.000Z"],
  ]);
});

test("the first instant counts, the last does not", () => {
  const window = { validFrom: new Date("2026-11-21T00:00:00Z"), validUntil: new Date("2026-12-21T00:00:00Z") };
  expect(["2026-11-20T23:59:59.999Z", "2026-11-21T00:00:00Z", "2026-12-20T23:59:59.999Z", "2026-12-21T00:00:00Z"].map((at) => isValidAt(window, new Date(at)))).toEqual([false, true, true, false]);
});

test.each([
  ["a date without a zone", "# valid-until: 2026-12-01T00:00:00", 'valid-until "2026-12-01T00:00:00", which is not an instant with a time zone'],
  ["a day", "# valid-until: 2026-12-01", "is not an instant with a time zone"],
  ["a day that is not in the calendar", "# valid-from: 2026-02-30T00:00:00Z", "is not an instant with a time zone"],
  ["an hour that is not", "# valid-from: 2026-02-20T25:00:00Z", "is not an instant with a time zone"],
  ["nothing", "# valid-from:", "is not an instant with a time zone"],
  ["another word", "# valid-untill: 2026-12-01T00:00:00Z", 'gives a signer "valid-untill", but knows valid-from and valid-until only'],
  ["two ends", "# valid-until: 2026-12-01T00:00:00Z\n# valid-until: 2026-12-02T00:00:00Z", "gives one signer two dates valid-until"],
  ["an empty window", "# valid-from: 2026-12-01T00:00:00Z\n# valid-until: 2026-12-01T00:00:00Z", "which is not before its valid-until"],
])("%s is a mistake in the configuration", (_, dates, says) => {
  expect(() => loadTrustedSigners(`${dates}\n${one.publicKeyPem}`, "signers.pem")).toThrow(expect.objectContaining({ code: "configuration", exitCode: 10, message: expect.stringContaining(says) as string, hints: [expect.stringContaining("# valid-until:") as string] }) as Error);
});

test("dates that no key follows, and one key with two windows, are refused; one named twice alike counts once", () => {
  expect(() => loadTrustedSigners(`${one.publicKeyPem}# valid-until: 2026-12-01T00:00:00Z\n`, "X")).toThrow("X gives valid-until 2026-12-01T00:00:00Z, but no public key follows it");
  expect(() => loadTrustedSigners(`${one.publicKeyPem}# valid-until: 2026-12-01T00:00:00Z\n${one.publicKeyPem}`, "X")).toThrow("twice, with different dates: none, and until 2026-12-01");
  expect(loadTrustedSigners(one.publicKeyPem + one.publicKeyPem, "X")).toHaveLength(1);
});

test("what a key signed in its window stays trusted when it is retired; what it signed before or later never counts", async () => {
  const catalog = await freshCatalog();
  const next = freshKeys();
  const before = await catalog.publish(manifestOf("2026-11-10T02:00:00Z"));
  const overlap = await catalog.publish(manifestOf("2026-11-20T02:00:00Z"));
  const renewed = await catalog.publish(manifestOf("2026-11-20T03:00:00Z"), next.signer);
  const late = await catalog.publish(manifestOf("2026-11-22T02:00:00Z"));
  const early = await catalog.publish(manifestOf("2026-11-01T02:00:00Z"), next.signer);
  const repository = await openRepository(catalog.store, [
    { ...catalog.trusted[0]!, validUntil: new Date("2026-11-21T00:00:00Z") },
    { ...next.trusted[0]!, validFrom: new Date("2026-11-19T00:00:00Z") },
  ]);
  const entries = await listBackups(repository, "ehr");
  expect(entries.flatMap(({ manifest }) => manifest?.id ?? [])).toEqual([renewed.id, overlap.id, before.id]);
  expect(entries.flatMap(({ id, problem }) => (problem ? [[id, problem.code, problem.message]] : []))).toEqual([
    [late.id, "integrity", expect.stringMatching(/is of 2026-11-22T02:00:00.000Z and signed by [0-9a-f]{16}, which counted until 2026-11-21T00:00:00.000Z only/)],
    [early.id, "integrity", expect.stringMatching(/which counted from 2026-11-19T00:00:00.000Z only/)],
  ]);
});
