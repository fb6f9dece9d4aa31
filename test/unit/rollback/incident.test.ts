import { beforeEach, describe, expect, test } from "vitest";

import { incidentKey } from "../../../src/catalog/layout.ts";
import { registerSecret } from "../../../src/process/redact.ts";
import { appendIncident, type Incident, listIncidents, openIncident, readIncident } from "../../../src/rollback/incident/incident.ts";
import { renderPostMortem } from "../../../src/rollback/incident/report.ts";
import { type Catalog, freshCatalog, freshKeys } from "../catalog/fixture.ts";
import { by, incidentId as id, opening } from "./incident-fixture.ts";

const key = incidentKey("ehr", id);
let catalog: Catalog;
beforeEach(async () => { catalog = await freshCatalog(); });

const open = (of = id): Promise<Incident> => openIncident(catalog.repository, catalog.signer, of, opening);
const note = (text: string, signer = catalog.signer): Promise<Incident> => appendIncident(catalog.repository, signer, id, { kind: "note", at: "2026-11-21T02:05:00.000Z", by, text });
const read = (): Promise<Incident> => readIncident(catalog.repository, id);
interface Envelope { record: string; signer: string | null; signature: string | null }
const envelopes = (): Envelope[] => (JSON.parse(catalog.store.objects.get(key)!.bytes.toString()) as { records: Envelope[] }).records;
const vandalise = (records: readonly (Envelope | undefined)[]): void => {
  catalog.store.objects.set(key, { bytes: Buffer.from(JSON.stringify({ format: 1, records })), modified: new Date() });
};

test("everything that was said about an incident stands in one object, in order", async () => {
  await open();
  const said = { at: "2026-11-21T02:01:00.000Z", by };
  await appendIncident(catalog.repository, catalog.signer, id, { ...said, kind: "step", step: "maintenance-on", title: "stop the writers: app, worker", outcome: "done", detail: null });
  await appendIncident(catalog.repository, catalog.signer, id, { ...said, kind: "health", when: "after", health: { ...opening.health!, healthy: true, version: "1.4.1" } });
  await appendIncident(catalog.repository, catalog.signer, id, { ...said, kind: "outcome", outcome: "done", message: "release 1.4.1 runs" });
  await note("the clinic was told by telephone");
  const closed = await appendIncident(catalog.repository, catalog.signer, id, { ...said, kind: "closed", resolution: "mended in 1.4.3" });
  expect(await read()).toEqual(closed);
  expect(closed.records.map(({ kind }) => kind)).toEqual(["opened", "step", "health", "outcome", "note", "closed"]);
  expect(closed).toMatchObject({ id, database: "ehr", problems: [], opened: { severity: "sev1", plan: { to: "1.4.1" } }, outcome: { outcome: "done" }, closed: { resolution: "mended in 1.4.3" } });
  expect([...catalog.store.objects.keys()].filter((each) => each.startsWith("ehr/"))).toEqual([key]);
});

test("the draft does not call lost what was only planned to be", async () => {
  const said = (minute: number) => ({ at: `2026-11-21T02:0${minute}:00.000Z`, by });
  const data = (incident: Incident): string => /^- Data: (.*)$/m.exec(renderPostMortem(incident))?.[1] ?? "";
  const add = (record: Parameters<typeof appendIncident>[3]): Promise<Incident> => appendIncident(catalog.repository, catalog.signer, id, record);
  expect(data(await open())).toMatch(/^nothing: the database was not moved, as far as the record goes\. The plan would have lost what was written in the 1 h since/);
  expect(data(await add({ ...said(1), kind: "step", step: "swap", title: "swap", outcome: "done", detail: null }))).toMatch(/^what was written in the 1 h since the snapshot/);
  expect(data(await add({ ...said(2), kind: "step", step: "swap", title: "swap", outcome: "taken-back", detail: null }))).toMatch(/^nothing: the database that was live before is live again/);
  expect(data(await add({ ...said(3), kind: "outcome", outcome: "aborted", message: "returned to what ran before" }))).toMatch(/^nothing: the database that was live before is live again/);
});

test("an incident is opened once, closed once, and notes may still be added", async () => {
  await open();
  await expect(open()).rejects.toMatchObject({ code: "refused" });
  const close = () => appendIncident(catalog.repository, catalog.signer, id, { kind: "closed", at: "2026-11-21T03:00:00.000Z", by, resolution: "mended" });
  await close();
  await expect(close()).rejects.toMatchObject({ code: "refused", message: `${id} was closed at 2026-11-21T03:00:00.000Z by ann@db1` });
  expect((await note("later")).records).toHaveLength(3);
});

test("two who write at once both stand in the record", async () => {
  await open();
  await Promise.all(["one", "two", "three"].map((text) => note(text)));
  expect((await read()).records).toHaveLength(4);
  expect((await read()).problems).toEqual([]);
});

test("the incidents of a database are listed, newest first, and what is none of them is left alone", async () => {
  const later = "incident-ehr-20261122T020000Z-0001";
  await open();
  await open(later);
  for (const name of ["notes.txt", "incident-other-20261121T020000Z-7f3a.json"]) catalog.store.objects.set(`ehr/incidents/${name}`, { bytes: Buffer.from("x"), modified: new Date() });
  expect((await listIncidents(catalog.repository, "ehr")).map((incident) => incident.id)).toEqual([later, id]);
});

test("an incident that is not there is not found, and a name that is none is refused", async () => {
  await expect(read()).rejects.toMatchObject({ code: "not-found" });
  await expect(note("x")).rejects.toMatchObject({ code: "not-found" });
  for (const wrong of ["ehr-20261121T020000Z-7f3a", "../holds/x", "rollback-ehr-20261121T020000Z-7f3a"]) await expect(readIncident(catalog.repository, wrong)).rejects.toMatchObject({ code: "usage" });
});

test("no secret stands in it, and no text is longer than its limit", async () => {
  registerSecret("correct-horse");
  await open();
  const { records } = await note(`it said correct-horse and postgres://app:hunter22@db/ehr ${"x".repeat(10_000)}`);
  const text = catalog.store.objects.get(key)!.bytes.toString();
  expect(text).not.toContain("correct-horse");
  expect(text).not.toContain("hunter22");
  expect(records.at(-1)).toMatchObject({ text: expect.stringMatching(/^it said \*\*\* and postgres:\/\/app:\*\*\*@db\/ehr x+…$/) as string });
  expect((records.at(-1) as { text: string }).text).toHaveLength(4_000);
});

test("a password that is the database's name does not make the record unreadable", async () => {
  registerSecret("clinic-east");
  const of = "incident-clinic-east-20261121T020000Z-7f3a";
  await open(of);
  expect(await readIncident(catalog.repository, of)).toMatchObject({ problems: [], opened: { database: "clinic-east" } });
});

describe("what cannot be trusted is told, and hides nothing of the rest", () => {
  const doubt = (n: number): string => `record ${n} of ${id} cannot be trusted: it was changed, moved, or signed by a stranger`;

  beforeEach(async () => {
    await open();
    await note("one");
    await note("two");
  });

  test("a record that was changed, and the one that is chained to it", async () => {
    const [first, second, third] = envelopes();
    vandalise([first, { ...second!, record: second!.record.replace("one", "won") }, third]);
    const incident = await read();
    expect(incident.problems).toEqual([doubt(2), doubt(3)]);
    expect(incident.opened?.title).toBe(opening.title);
  });

  test("a record that was removed, repeated, or signed by a stranger or nobody", async () => {
    const [first, second, third] = envelopes();
    vandalise([first, third]);
    expect((await read()).problems).toEqual([doubt(2)]);
    vandalise([first, second, second, third]);
    expect((await read()).problems).toEqual([doubt(3)]);
    vandalise([first, { ...second!, signature: null }, third]);
    expect((await read()).problems).toEqual([doubt(2)]);
    vandalise([first, second, third]);
    await note("three", freshKeys().signer);
    expect((await read()).problems).toEqual([doubt(4)]);
  });

  test("a genuine record of another incident, and an opening in the middle", async () => {
    const other = "incident-ehr-20261122T020000Z-0001";
    await open(other);
    catalog.store.objects.set(key, catalog.store.objects.get(incidentKey("ehr", other))!);
    expect(await read()).toMatchObject({ opened: undefined, problems: [doubt(1)] });
  });

  test("what is no record at all; a note can still be added behind it", async () => {
    catalog.store.objects.set(key, { bytes: Buffer.from("{}"), modified: new Date() });
    expect((await read()).problems).toEqual([doubt(1)]);
    expect(await note("it was emptied")).toMatchObject({ problems: [doubt(1)], records: [{ kind: "note" }] });
  });
});
