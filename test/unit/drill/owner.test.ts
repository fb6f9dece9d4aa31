/** Whether what a drill left may be removed: wrong one way it deletes under a running drill, wrong the other it keeps a copy of the data. */
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";

import { isAbandoned, isScratchName, noteOf, ownerOf, readNote, readNoteText, scratchName } from "../../../src/drill/scratch/owner.ts";
import { processStart } from "../../../src/process/table.ts";
import { endedProcess, requestOf } from "../../harness/drill.ts";

const here = { host: hostname(), now: () => new Date() };
const { owner } = requestOf();

describe("by its note", () => {
  test("a process that lives keeps what it made, until its time is over", async () => {
    const note = await noteOf(owner);
    expect(await isAbandoned(scratchName(note), note, here)).toBe(false);
    expect(await isAbandoned(scratchName(note), note, { ...here, now: () => new Date(owner.expires.getTime() - 1) })).toBe(false);
    expect(await isAbandoned(scratchName(note), note, { ...here, now: () => owner.expires })).toBe(true);
  });

  test("a process that has ended keeps nothing, nor does another one that got its number", async () => {
    const ended = await noteOf({ ...owner, pid: await endedProcess() });
    expect(await isAbandoned(scratchName(ended), ended, here)).toBe(true);
    const reused = { ...(await noteOf(owner)), started: "1" };
    expect(await isAbandoned(scratchName(reused), reused, here)).toBe(true);
  });

  test("of another host, and of another container's numbers, only the time is known", async () => {
    const note = await noteOf({ ...owner, pid: await endedProcess() });
    for (const away of [{ ...note, host: "another.example" }, { ...note, space: "pid:[1]" }]) {
      expect(await isAbandoned(scratchName(away), away, here)).toBe(false);
      expect(await isAbandoned(scratchName(away), away, { ...here, now: () => owner.expires })).toBe(true);
    }
  });
});

test("by its name alone, a scratch whose process was killed before it wrote a note is known", async () => {
  const [note, ended] = await Promise.all([noteOf(owner), endedProcess().then((pid) => noteOf({ ...owner, pid }))]);
  expect(await isAbandoned(scratchName(note), undefined, here)).toBe(false);
  expect(await isAbandoned(scratchName(ended), undefined, here)).toBe(true);
  expect(await isAbandoned(scratchName({ ...note, started: "1" }), undefined, here)).toBe(true);
});

test("names are a drill's only if they are whole", async () => {
  const name = scratchName(await noteOf(owner));
  expect(name).toBe(`holdfast-drill-${process.pid}-${(await processStart(process.pid))!}-${name.slice(-8)}`);
  expect(isScratchName(name)).toBe(true);
  expect(["holdfast-drill-", "holdfast-drill-notes", `${name}.old`, `my-${name}`, name.slice(0, -1)].filter(isScratchName)).toEqual([]);
});

test("a note is read back as it was written, and a cut one is none", async () => {
  const note = await noteOf(owner);
  const text = JSON.stringify({ provider: "local", ...note });
  expect(readNoteText(text)).toEqual(note);
  expect(ownerOf(note)).toEqual(owner);
  expect(readNote({ ...note, pid: String(note.pid) })).toEqual(note);
  for (let length = 0; length < text.length; length += 1) expect(readNoteText(text.slice(0, length))).toBeUndefined();
  expect([readNoteText("null"), readNote({ ...note, expires: "soon" }), readNote({ ...note, pid: "0" })]).toEqual([undefined, undefined, undefined]);
});
