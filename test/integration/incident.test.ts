/** Incidents as people meet them: by the stories and the commands, and what a check of the repository says of them. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { readAudit, verifyAudit } from "../../src/app/audit.ts";
import { openWorkplace } from "../../src/app/context.ts";
import { noteIncident } from "../../src/app/incident/write-incident.ts";
import { reportIncident } from "../../src/app/incident/report-incident.ts";
import { showIncident } from "../../src/app/incident/show-incidents.ts";
import { checkRepository } from "../../src/app/repository/check-repository.ts";
import { incidentKey, rollbackKey } from "../../src/catalog/layout.ts";
import type { Repository } from "../../src/catalog/repository.ts";
import { loadSigner, loadTrustedSigners, type Signer } from "../../src/catalog/signatures.ts";
import { openRepository } from "../../src/catalog/repository.ts";
import { silentReporter } from "../../src/ports.ts";
import { appendIncident, openIncident } from "../../src/rollback/incident/incident.ts";
import { openJournal } from "../../src/rollback/journal/open-journal.ts";
import { publishBegun } from "../../src/rollback/plan/records.ts";
import { openLocalStore } from "../../src/store/local.ts";
import { workbench, type Workbench } from "../harness/cli.ts";
import { type Bench, bench } from "../harness/context.ts";
import { by, incidentId as id, opening } from "../unit/rollback/incident-fixture.ts";
import { planOf } from "../unit/app/records-fixture.ts";

const nowhere = "postgresql://nobody@127.0.0.1:1/ehr";
const rollback = "rollback-ehr-20261121T020000Z-7f3a";

async function sayEverything(repository: Repository, signer: Signer): Promise<void> {
  await openIncident(repository, signer, id, opening);
  const said = (minute: number) => ({ at: `2026-11-21T02:0${minute}:00.000Z`, by });
  await appendIncident(repository, signer, id, { ...said(1), kind: "step", step: "maintenance-on", title: "stop the writers: app, worker", outcome: "done", detail: null });
  await appendIncident(repository, signer, id, { ...said(2), kind: "health", when: "after", health: { ...opening.health!, healthy: true, detail: "status 200, status=healthy", version: "1.4.1", at: "2026-11-21T02:02:00.000Z" } });
  await appendIncident(repository, signer, id, { ...said(3), kind: "outcome", outcome: "done", message: "release 1.4.1 runs" });
}

async function withIncident(): Promise<Bench & { readonly repository: Repository; readonly signer: Signer }> {
  const here = await bench(nowhere);
  const workplace = await openWorkplace(here.context);
  onTestFinished(() => workplace.close());
  const signer = loadSigner(await readFile(here.context.config.signingKeyFile!, "utf8"), "test");
  await sayEverything(workplace.repository, signer);
  return { ...here, repository: workplace.repository, signer };
}

describe("by the stories", () => {
  test("the draft tells what the record knows, and leaves to people what only they know", async () => {
    const { context } = await withIncident();
    const { text } = await reportIncident(context, { incident: { latest: true } });
    await expect(text).toMatchFileSnapshot(join(import.meta.dirname, "__golden__", "post-mortem.md"));
    expect(text).toContain("On 2026-11-21 02:00:00 UTC a rollback from release 1.4.2 to release 1.4.1 was begun for ehr by dr.lee");
    expect(text).toMatch(/\| public\.visits \| 12 \| 12 \| rows beyond the sequence's value/);
    for (const heading of ["Timeline", "Impact", "Health", "Root cause", "Contributing factors", "What went well", "Lessons", "Follow-ups"]) expect(text).toContain(`\n## ${heading}\n`);
  });

  test("what people write stays text in the draft", async () => {
    const { context } = await withIncident();
    await noteIncident(context, { incident: { id }, text: "<script>alert(1)</script> | [x](http://x.example) **bold**\n# heading" });
    const { text } = await reportIncident(context, { incident: { id } });
    expect(text).not.toMatch(/<script|\[x\]\(|^# heading/m);
    expect(text.split("\n").find((line) => line.includes("alert"))).toMatch(/^\| .* \|$/);
  });

  test("a file that is there is not overwritten, and a story that failed is in the timeline too", async () => {
    const { context, folder } = await withIncident();
    const out = join(folder, "post-mortem.md");
    await writeFile(out, "what people wrote");
    await expect(reportIncident(context, { incident: { id }, out })).rejects.toMatchObject({ code: "refused" });
    expect(await readFile(out, "utf8")).toBe("what people wrote");
    const entries = (await readAudit(context, {})).filter(({ action }) => action.startsWith("incident"));
    expect(entries.map(({ action, outcome, subject }) => [action, outcome, subject["incident"], subject["database"]])).toEqual([["incident report", "failed", id, "ehr"]]);
  });

  test("a text that is empty or too long is refused", async () => {
    const { context } = await withIncident();
    for (const text of [" ", "x".repeat(4_001)]) await expect(noteIncident(context, { incident: { id }, text })).rejects.toMatchObject({ code: "usage" });
    expect((await showIncident(context, { id })).records).toHaveLength(4);
  });
});

describe("a check of the repository", () => {
  const damageIn = async ({ context }: Bench): Promise<string[]> => (await checkRepository(context, { level: "stat", repair: false, graceMs: 0 })).findings.filter(({ severity }) => severity === "damage").map(({ kind, key }) => `${kind} ${key}`);

  async function withJournal(): Promise<Awaited<ReturnType<typeof withIncident>>> {
    const here = await withIncident();
    await publishBegun(here.repository, {
      format: 1, kind: "holdfast-rollback", id: rollback, database: "ehr", startedAt: here.context.clock.now().toISOString(), by: { user: "ann", host: "db1", operator: null, holdfast: "0.1.0" }, reason: null, incident: id, drainMs: 0,
      plan: planOf("1.4.2-20261120T020000Z"), signer: here.signer.id,
    }, here.signer);
    const journal = await openJournal({ stateDir: join(here.folder, "elsewhere"), repository: here.repository, database: "ehr", id: rollback, clock: here.context.clock, actor: here.context.actor, signer: here.signer, reporter: silentReporter });
    await journal.append({ kind: "step-begun", step: "maintenance-on" });
    await journal.append({ kind: "step-done", step: "maintenance-on", facts: {}, found: false });
    return here;
  }

  test("finds nothing wrong with a sound incident and a sound journal", async () => {
    expect(await damageIn(await withJournal())).toEqual([]);
  });

  test("finds an incident and a journal that somebody changed", async () => {
    const here = await withJournal();
    const { store } = here.repository;
    const incident = (await store.get(incidentKey("ehr", id)))!.bytes.toString();
    await store.put(incidentKey("ehr", id), Buffer.from(incident.replace("release 1.4.1 runs", "release 1.4.1 sits")));
    await store.delete(rollbackKey("ehr", rollback, "journal/0001.json"));
    expect(await damageIn(here)).toEqual([`incident ${incidentKey("ehr", id)}`, `journal ${rollbackKey("ehr", rollback, "journal/")}`]);
  });
});

test("an incident whose last words were taken away is found by the count that the timeline keeps", async () => {
  const here = await withIncident();
  await noteIncident(here.context, { incident: { id }, text: "the backup was reachable by everybody" });
  const problems = async () => (await verifyAudit(here.context)).records.problems.map(({ key, detail }) => `${key}: ${detail}`);
  expect(await problems()).toEqual([]);
  const { store } = here.repository;
  const whole = JSON.parse((await store.get(incidentKey("ehr", id)))!.bytes.toString()) as { records: unknown[] };
  await store.put(incidentKey("ehr", id), Buffer.from(JSON.stringify({ ...whole, records: whole.records.slice(0, -1) })));
  expect(await problems()).toEqual([`${incidentKey("ehr", id)}: cut: the timeline names 5 records of this incident, but 4 are here`]);
});

test("the commands list, show, annotate, close and report an incident, and all of it is in the timeline", async () => {
  const here: Workbench = await workbench(nowhere, { HOLDFAST_OPERATOR: "dr.lee@clinic.example" });
  await here.ok("repository", "init");
  expect((await here.ok("incident", "list")).stdout).toBe("no incidents; every rollback opens one");
  expect(await here.run("incident", "show", "latest")).toMatchObject({ code: 16 });
  const store = openLocalStore(join(here.folder, "repository"));
  const signer = loadSigner(await readFile(here.env["HOLDFAST_SIGNING_KEY_FILE"]!, "utf8"), "test");
  await sayEverything(await openRepository(store, loadTrustedSigners(signer.publicKeyPem, "test")), signer);

  expect((await here.ok("incident", "list")).stdout).toMatch(new RegExp(`${id} .*sev1 +open +done +release 1.4.2 cannot read its patients`));
  await here.ok("incident", "note", "latest", "the clinic was told by telephone");
  expect((await here.ok("incident", "close", id, "--resolution", "release 1.4.3 is out", "--json")).json()).toMatchObject({ id, state: "closed", outcome: "done", severity: "sev1", records: 6, problems: [] });
  expect(await here.run("incident", "close", id, "--resolution", "again")).toMatchObject({ code: 19 });
  const shown = (await here.ok("incident", "show", id)).stdout;
  expect(shown).toContain("state         closed at ");
  expect(shown).toMatch(/dr\.lee@clinic\.example +the clinic was told by telephone/);
  const file = join(here.folder, "post-mortem.md");
  expect((await here.ok("incident", "report", id)).stdout).toMatch(/^# Incident: release 1\.4\.2 cannot read its patients\n/);
  expect((await here.ok("incident", "report", id, "--out", file)).stdout).toBe(`the draft is in ${file}`);
  expect(await readFile(file, "utf8")).toContain("the clinic was told by telephone");
  expect(await here.run("incident", "report", id, "--out", file)).toMatchObject({ code: 19 });
  expect(await here.run("incident", "note", "nonsense", "x")).toMatchObject({ code: 2 });
  const { stdout } = await here.ok("audit", "show", "--json");
  const entries = (JSON.parse(stdout) as { action: string; outcome: string }[]).filter(({ action }) => action.startsWith("incident")).map(({ action, outcome }) => `${action} ${outcome}`);
  expect(entries.toSorted()).toEqual(["incident close failed", "incident close ok", "incident note failed", "incident note ok", "incident report failed", "incident report ok", "incident report ok"]);
}, 120_000);
