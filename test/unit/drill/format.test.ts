/** FORMAT.md is a promise to somebody without Holdfast: its lines are run here as they stand there, with openssl and what every Unix has. */
import { execa } from "execa";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { z } from "zod";

import { openTimeline } from "../../../src/audit/timeline.ts";
import { evidenceSchema } from "../../../src/drill/evidence/evidence.ts";
import type { PublishedEvidence } from "../../../src/drill/evidence/publish-evidence.ts";
import { evidenceSchemaFile } from "../../../src/drill/evidence/schema.ts";
import { openStore } from "../../../src/store/open.ts";
import { freshKeys } from "../catalog/fixture.ts";
import { actor, clock, type DrillBench, draftOf, drillBench } from "./fixture.ts";

const page = await readFile(join(import.meta.dirname, "../../../src/drill/FORMAT.md"), "utf8");

function section(title: string): string {
  const [, text] = page.split(`\n## ${title}\n`);
  if (text === undefined) throw new Error(`FORMAT.md has no section ${title}`);
  return text.split("\n## ")[0]!;
}

const check = /```sh\n(.*?)```/s.exec(section("Checking it by hand"))![1]!;

let bench: string;
let made: DrillBench;
let drills: PublishedEvidence[];

/** A repository with three drills, the middle one certified, in a folder; every test gets a copy of it. */
beforeAll(async () => {
  bench = await mkdtemp(join(tmpdir(), "holdfast-evidence-"));
  const reviewer = freshKeys();
  made = await drillBench(await openStore(`file://${join(bench, "repository")}`), reviewer.trusted);
  drills = [];
  const timeline = openTimeline({ store: made.store, stateDir: join(bench, "state"), repositoryId: made.repository.id, signer: made.signer, clock, actor: { ...actor, operator: null, tty: false }, version: "0.1.0" });
  for (const month of ["01", "02", "03"]) {
    const drill = await made.publish(draftOf(`2026-${month}-15T02:00:00Z`, { summary: `the backup of "month" ${month} came back` }));
    await timeline.record({ action: "drill restore", subject: { database: "ehr", drill: drill.evidence.id, evidence: drill.sha256, verdict: "pass" }, outcome: "ok", seconds: 1 });
    drills.push(drill);
  }
  await made.certify(drills[1]!, reviewer.signer);
  await mkdir(join(bench, "keys of ours"));
  for (const { signer } of [made, reviewer]) await writeFile(join(bench, "keys of ours", `${signer.id}.pem`), signer.publicKeyPem);
});

afterAll(() => rm(bench, { recursive: true, force: true }));

/** Copies the repository, lays hands on the drills' folder, and runs the page's lines there. */
async function checked(harm: (drillsFolder: string) => unknown): Promise<{ exitCode: number | undefined; lines: string[] }> {
  const away = await mkdtemp(join(tmpdir(), "holdfast-evidence-"));
  onTestFinished(() => rm(away, { recursive: true, force: true }));
  await cp(bench, away, { recursive: true });
  const folder = join(away, "repository", "ehr", "drills");
  await harm(folder);
  await writeFile(join(away, "check.sh"), check);
  const { exitCode, all } = await execa("sh", [join(away, "check.sh"), join(away, "keys of ours")], { cwd: folder, env: { PATH: "/usr/bin:/bin" }, extendEnv: false, reject: false, all: true });
  return { exitCode, lines: all.split("\n") };
}

const idOf = (n: number): string => drills[n]!.evidence.id;

async function edit(path: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(path, "utf8");
  expect(change(text)).not.toBe(text);
  await writeFile(path, change(text));
}

test("the page's own lines find evidence that nobody touched whole", async () => {
  expect(await checked(() => undefined)).toEqual({ exitCode: 0, lines: [0, 1, 2].map((n) => `${idOf(n)}: pass`).concat("all evidence is whole") });
});

test("they also do so without a timeline, and name a drill without evidence", async () => {
  const { exitCode, lines } = await checked(async (folder) => {
    await rm(join(folder, "../../timeline"), { recursive: true });
    await mkdir(join(folder, "drill-ehr-20260401T020000Z-0000"));
  });
  expect({ exitCode, last: lines.at(-1), note: lines.at(-2) }).toEqual({ exitCode: 0, last: "all evidence is whole", note: "NOTE: drill-ehr-20260401T020000Z-0000 has no evidence: it ended without a verdict, or somebody removed it" });
});

test.each(["evidence.json", "evidence.json.sig", "reports.json", "reports.json.sig", "report.html", "report.md", "junit.xml", "certification"])("one changed byte in %s, anywhere, is named", async (name) => {
  const file = name === "certification" ? (await readdir(join(bench, "repository/ehr/drills", idOf(1)))).find((entry) => entry.startsWith("certification-"))! : name;
  const { byteLength } = await readFile(join(bench, "repository/ehr/drills", idOf(1), file));
  for (const place of [0, byteLength >> 1, byteLength - 1]) {
    const { exitCode, lines } = await checked(async (folder) => {
      const path = join(folder, idOf(1), file);
      const bytes = await readFile(path);
      bytes[place]! ^= 1;
      await writeFile(path, bytes);
    });
    expect(exitCode, lines.join("\n")).toBe(1);
    expect(lines.join("\n")).toContain(`WRONG: ${idOf(1)}/${file.replace(/\.sig$/, "")}`);
    expect(lines).not.toContain("all evidence is whole");
  }
});

const hands: Record<string, { harm: (folder: string) => unknown; says: () => string }> = {
  "the first drill removed": { harm: (folder) => rm(join(folder, idOf(0)), { recursive: true }), says: () => `${idOf(0)} was changed or removed; ${idOf(1)} follows it` },
  "the middle drill removed": { harm: (folder) => rm(join(folder, idOf(1)), { recursive: true }), says: () => `${idOf(1)} was changed or removed; ${idOf(2)} follows it` },
  "the newest drill removed": { harm: (folder) => rm(join(folder, idOf(2)), { recursive: true }), says: () => `evidence with the SHA-256 ${drills[2]!.sha256} is missing; the timeline names it` },
  "all drills removed": { harm: async (folder) => { for (const n of [0, 1, 2]) await rm(join(folder, idOf(n)), { recursive: true }); }, says: () => `evidence with the SHA-256 ${drills[0]!.sha256} is missing` },
  "two drills exchanged": {
    harm: async (folder) => {
      await rename(join(folder, idOf(0)), join(folder, "away"));
      await rename(join(folder, idOf(1)), join(folder, idOf(0)));
      await rename(join(folder, "away"), join(folder, idOf(1)));
    },
    says: () => `${idOf(0)}/evidence.json is that of another drill`,
  },
  "a drill copied under a later id": { harm: (folder) => cp(join(folder, idOf(2)), join(folder, "drill-ehr-20260415T020000Z-7f3a"), { recursive: true }), says: () => "drill-ehr-20260415T020000Z-7f3a/evidence.json is that of another drill" },
  "a signature removed": { harm: (folder) => rm(join(folder, idOf(2), "evidence.json.sig")), says: () => `${idOf(2)}/evidence.json is not signed with one of your keys` },
  "a stranger's signature": { harm: (folder) => writeFile(join(folder, idOf(2), "evidence.json.sig"), freshKeys().signer.sign(drills[2]!.bytes)), says: () => `${idOf(2)}/evidence.json is not signed with one of your keys` },
  "another drill's certification": {
    harm: async (folder) => { for (const file of await readdir(join(folder, idOf(1)))) if (file.startsWith("certification-")) await cp(join(folder, idOf(1), file), join(folder, idOf(0), file)); },
    says: () => "is that of another drill",
  },
  "another drill's reports": { harm: async (folder) => { for (const file of ["report.html", "reports.json", "reports.json.sig"]) await cp(join(folder, idOf(1), file), join(folder, idOf(0), file)); }, says: () => `${idOf(0)}/reports.json was made from other evidence` },
  "a report removed": { harm: (folder) => rm(join(folder, idOf(0), "report.html")), says: () => `${idOf(0)}/report.html is not the report that was made` },
  "a fork that a trusted key signed": {
    harm: async (folder) => {
      const path = join(folder, idOf(2), "evidence.json");
      await edit(path, (text) => text.replace(idOf(1), idOf(0)).replace(drills[1]!.sha256, drills[0]!.sha256));
      await writeFile(`${path}.sig`, made.signer.sign(await readFile(path)));
    },
    says: () => `${idOf(2)} follows ${idOf(0)}, and so does another`,
  },
};

test.each(Object.entries(hands))("%s is named by the page's lines", async (_, { harm, says }) => {
  const { exitCode, lines } = await checked(harm);
  expect(exitCode, lines.join("\n")).toBe(1);
  expect(lines.filter((line) => line.startsWith("WRONG: ")).join("\n")).toContain(says());
});

test("the page has a row for every field of the evidence, and no other", () => {
  const rows = [...section("The evidence").matchAll(/^\| ((?:`\w+`(?:, )?)+) \| (.*) \|$/gm)];
  const fields = rows.flatMap(([, names]) => [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
  expect(fields.toSorted()).toEqual(Object.keys(evidenceSchema.shape).toSorted());
  for (const [name, field] of Object.entries(evidenceSchema.shape)) {
    let inner: unknown = field;
    while (inner instanceof z.ZodNullable || inner instanceof z.ZodArray) inner = inner instanceof z.ZodArray ? inner.element : inner.unwrap();
    if (!(inner instanceof z.ZodObject)) continue;
    const meaning = rows.find(([, names]) => names!.includes(`\`${name}\``))![2]!;
    for (const key of Object.keys(inner.shape)) expect(meaning, `${name}.${key}`).toContain(`\`${key}\``);
  }
});

test("the page lists every file of a drill, and no other", async () => {
  const [, listed] = /```\n(<prefix>.*?)```/s.exec(section("What lies where"))!;
  const names = listed!.split("\n").filter(Boolean).map((line) => line.split(/\s+/)[0]!.split("/").at(-1)!.replace("<signer>", "")).toSorted();
  const stored = (await readdir(join(bench, "repository/ehr/drills", idOf(1)))).map((name) => name.replace(/(certification-)[0-9a-f]+/, "$1"));
  expect([...stored, "begun.json"].toSorted()).toEqual(names);
});

test("the published schema is what `npm run generate` writes, and takes exactly what is evidence", async () => {
  const { path, text } = evidenceSchemaFile();
  expect(await readFile(join(import.meta.dirname, "../../..", path), "utf8")).toBe(text);
  const published = z.fromJSONSchema(JSON.parse(text) as Parameters<typeof z.fromJSONSchema>[0]);
  const { evidence } = drills[1]!;
  expect(published.safeParse(evidence).success).toBe(true);
  for (const wrong of [{ ...evidence, verdict: "passed" }, { ...evidence, more: 1 }, { ...evidence, previous: undefined }, { ...evidence, rto: { ...evidence.rto, seconds: -1 } }, { ...evidence, startedAt: "yesterday" }]) {
    expect(published.safeParse(wrong).success).toBe(false);
  }
});
