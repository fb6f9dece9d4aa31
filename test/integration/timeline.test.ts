/** The timeline as a stranger sees it: with the commands of FORMAT.md, and written by several processes at once. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

import { readLocalCopy } from "../../src/audit/local-copy.ts";
import { type CommandLine, runTool } from "../../src/process/run.ts";
import { type Bench, bench, deed, temporaryFolder } from "../unit/audit/fixture.ts";

const format = new URL("../../src/audit/FORMAT.md", import.meta.url);

/** Stands in for jq where the machine has none: just the three expressions that FORMAT.md uses. */
const jqStandIn = `#!/bin/sh
exec "${process.execPath}" -e '
  const [flag, field, file] = process.argv.slice(1);
  const value = JSON.parse(require("fs").readFileSync(file ?? 0, "utf8"))[field.slice(1)];
  process.stdout.write(String(value) + (flag === "-j" ? "" : "\\n"));
' -- "$@"
`;

/** A copy of the repository's objects in a folder, as `aws s3 cp --recursive` makes one. */
async function copyOf({ store, keys, timeline }: Bench): Promise<string> {
  const folder = await temporaryFolder();
  for (const [key, { bytes }] of store.objects) {
    await mkdir(dirname(join(folder, key)), { recursive: true });
    await writeFile(join(folder, key), bytes);
  }
  await writeFile(join(folder, "signer.pem"), keys.publicKeyPem);
  await writeFile(join(folder, "local.jsonl"), await readFile(timeline.localCopy));
  return folder;
}

/** Runs the page's n-th block of commands there. @returns what it prints */
async function follow(folder: string, block: number): Promise<string> {
  const commands = [...(await readFile(format, "utf8")).matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text);
  const hasJq = await runTool(["jq"], ["--version"]).then(() => true, () => false);
  const tools = join(folder, "tools");
  await mkdir(tools, { recursive: true });
  if (!hasJq) await writeFile(join(tools, "jq"), jqStandIn, { mode: 0o755 });
  const { stdout } = await runTool(["sh"], ["-c", commands[block] ?? "exit 1"], { cwd: folder, env: { PATH: `${tools}:${process.env["PATH"] ?? ""}` } });
  return stdout;
}

async function filled(): Promise<Bench> {
  const made = await bench();
  await made.timeline.record(deed("größe-\u2028-\"quoted\"-\\-$(id)-\u0007", { reason: "line\nbreak", message: "a % and a %s" }));
  await made.timeline.record(deed("b", { outcome: "failed", code: "dump-failed", message: "pg_dump exited with 3" }));
  made.clock.set("2027-01-01T02:00:00.000Z");
  await made.timeline.record(deed("c"));
  return made;
}

describe("FORMAT.md's commands", () => {
  it("find a sound timeline sound", async () => {
    const made = await filled();
    const folder = await copyOf(made);
    expect(await follow(folder, 0)).toBe("");
    const last = (await made.store.get("timeline/2027/0000000004.json"))!.bytes;
    const { stdout } = await runTool(["sha256sum"], [], { input: last.toString() });
    expect(await follow(folder, 1)).toBe(`head 4 ${stdout.split(" ")[0] ?? ""}\n`);
    expect(await follow(folder, 2)).toBe("");
  });

  it("find an edited entry by its signature and by the chain", async () => {
    const folder = await copyOf(await filled());
    const object = join(folder, "timeline/2026/0000000002.json");
    await writeFile(object, (await readFile(object, "utf8")).replace("exited with 3", "exited with 0"));
    expect(await follow(folder, 0)).toBe("timeline/2026/0000000002.json: bad signature\n");
    expect(await follow(folder, 1)).toContain("timeline/2026/0000000003.json: does not follow\n");
    expect(await follow(folder, 2)).toMatch(/^missing or changed: .*exited with 3/);
  });

  it("find a removed entry, at the end by the local copy", async () => {
    const folder = await copyOf(await filled());
    await runTool(["rm"], [join(folder, "timeline/2027/0000000004.json")]);
    expect(await follow(folder, 1)).toMatch(/^head 3 /);
    expect((await follow(folder, 2)).trim().split("\n")).toHaveLength(1);
    await runTool(["rm"], [join(folder, "timeline/2026/0000000002.json")]);
    expect(await follow(folder, 1)).toContain("timeline/2026/0000000003.json: not entry 2\n");
  });
});

it("takes whole lines of several processes at once into the local copy", async () => {
  const path = join(await temporaryFolder(), "copy.jsonl");
  const { timeline } = await filled();
  const line = (await readFile(timeline.localCopy, "utf8")).split("\n")[1] ?? "";
  const program = `
    import { appendLine } from ${JSON.stringify(new URL("../../src/audit/local-copy.ts", import.meta.url).href)};
    const [path, line, first] = process.argv.slice(1);
    for (let n = 0; n < 50; n += 1) await appendLine(path, Buffer.from(line.replace('sequence\\\\":2,', 'sequence\\\\":' + (Number(first) + n) + ',') + "\\n"));
  `;
  const node: CommandLine = [process.execPath, "--input-type=module", "-e", program, "--"];
  await Promise.all([1, 2, 3, 4].map((writer) => runTool(node, [path, line, String(writer * 1000)])));
  const copy = await readLocalCopy(path);
  expect(copy?.unreadable).toEqual([]);
  expect(copy?.witnesses.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4].flatMap((writer) => Array.from({ length: 50 }, (_, n) => writer * 1000 + n)));
});
