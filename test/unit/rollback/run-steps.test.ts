import { describe, expect, test } from "vitest";

import { HoldfastError } from "../../../src/errors.ts";
import type { Event } from "../../../src/ports.ts";
import type { JournalNote } from "../../../src/rollback/journal/journal.ts";
import { type RunOptions, runSteps } from "../../../src/rollback/journal/run-steps.ts";
import { stateOf, stepIn } from "../../../src/rollback/journal/state.ts";
import { undoSteps } from "../../../src/rollback/journal/undo-steps.ts";
import type { RollbackStep } from "../../../src/rollback/step.ts";
import { id, journalBench, memoryJournal, wordStep } from "./journal-bench.ts";

const clock = { now: () => new Date("2026-11-21T02:00:00.000Z") };

interface World {
  readonly world: Set<string>;
  readonly log: string[];
  readonly events: Event[];
  readonly options: RunOptions;
  readonly steps: (changes?: Record<string, Partial<RollbackStep>>) => RollbackStep[];
}

function freshWorld(signal = new AbortController().signal): World {
  const world = new Set<string>();
  const log: string[] = [];
  const events: Event[] = [];
  return {
    world, log, events,
    options: { reporter: { emit: (event) => void events.push(event) }, signal, clock },
    steps: (changes = {}) => ["stop", "swap", "start"].map((step) => wordStep(step, world, changes[step] ?? {}, log)),
  };
}

const fails = (code: "restore-failed" | "cancelled" = "restore-failed") => ({ perform: () => Promise.reject(new HoldfastError(code, "it broke", { hints: ["Mend it."] })) });
const begun = (step: string): JournalNote => ({ kind: "step-begun", step });
const done = (step: string, facts = {}): JournalNote => ({ kind: "step-done", step, facts, found: false });
const failure = (work: Promise<unknown>): Promise<HoldfastError> => work.then(() => { throw new Error("it did not fail"); }, (error: unknown) => error as HoldfastError);

describe("running", () => {
  test("goes through the steps in order, each told before and after, and hands on what they left", async () => {
    const { steps, options, log, events } = freshWorld();
    const journal = memoryJournal();
    let seen: unknown;
    const facts = await runSteps(steps({
      swap: { perform: async (run) => { await run.begin({ name: "ehr_1", size: 2 }); return { size: 3 }; } },
      start: { perform: ({ facts: left }) => { seen = Object.fromEntries(left); return Promise.resolve({}); } },
    }), journal, options);
    expect(log).toEqual(["stop"]);
    expect(journal.said()).toEqual(["step-begun stop", "step-done stop", "step-begun swap", "step-noted swap", "step-done swap", "step-begun start", "step-done start"]);
    expect(Object.fromEntries(facts)).toEqual({ stop: { made: "stop" }, swap: { name: "ehr_1", size: 3 } });
    expect(seen).toEqual({ stop: { made: "stop" }, swap: { name: "ehr_1", size: 3 } });
    expect(journal.entries.find((entry) => entry.kind === "step-done" && entry.step === "swap")).toMatchObject({ facts: { name: "ehr_1", size: 3 }, found: false });
    expect(events.map((event) => ("step" in event ? `${event.type} ${event.step}` : event.type))).toEqual(["plan", ...["stop", "swap", "start"].flatMap((step) => [`step-started ${step}`, `step-finished ${step}`])]);
  });

  test("does nothing again that the journal calls done", async () => {
    const { steps, options, log, events } = freshWorld();
    const journal = memoryJournal([begun("stop"), done("stop", { made: "before" })]);
    const facts = await runSteps(steps(), journal, options);
    expect(log).toEqual(["swap", "start"]);
    expect(facts.get("stop")).toEqual({ made: "before" });
    expect(events).toContainEqual({ type: "step-skipped", step: "stop", why: "done at 2026-11-21T02:00:01.000Z" });
    expect(journal.said()[2]).toBe("resumed");
  });

  test("finds what was done and could not say so, with what it had noted", async () => {
    const { steps, options, log, world } = freshWorld();
    world.add("swap");
    const journal = memoryJournal([begun("stop"), done("stop"), begun("swap"), { kind: "step-noted", step: "swap", facts: { name: "ehr_1" } }]);
    const facts = await runSteps(steps(), journal, options);
    expect(log).toEqual(["start"]);
    expect(facts.get("swap")).toEqual({ name: "ehr_1" });
    expect(journal.entries.find((entry) => entry.kind === "step-done" && entry.step === "swap")).toMatchObject({ found: true, facts: { name: "ehr_1" } });
  });

  test("does again what was begun and is not done, with what it had noted", async () => {
    const { steps, options } = freshWorld();
    let noted: unknown;
    const journal = memoryJournal([begun("stop"), done("stop"), begun("swap"), { kind: "step-noted", step: "swap", facts: { name: "ehr_1" } }, { kind: "step-failed", step: "swap", code: "restore-failed", message: "" }]);
    await runSteps(steps({ swap: { perform: ({ facts }) => { noted = facts.get("swap"); return Promise.resolve({ made: "it" }); } } }), journal, options);
    expect(noted).toEqual({ name: "ehr_1" });
    expect(journal.said().slice(5)).toEqual(["resumed", "step-begun swap", "step-done swap", "step-begun start", "step-done start"]);
    expect(stateOf(journal.entries).facts.get("swap")).toEqual({ name: "ehr_1", made: "it" });
  });

  test("never asks the world about what was not begun", async () => {
    const { steps, options } = freshWorld();
    const journal = memoryJournal([begun("stop"), done("stop")]);
    const asked = (): Promise<boolean> => Promise.reject(new Error("asked"));
    await runSteps(steps({ stop: { isDone: asked }, swap: { isDone: asked }, start: { isDone: asked } }), journal, options);
  });

  test("stops at a failure with what was done, what was not, and how to go on", async () => {
    const { steps, options, log } = freshWorld();
    const journal = memoryJournal();
    const error = await failure(runSteps(steps({ swap: fails() }), journal, options));
    expect(error).toMatchObject({ code: "restore-failed", message: "it broke", details: { rollback: id, stoppedAt: "swap", done: ["stop"], notDone: ["swap", "start"] } });
    expect(error.hints).toEqual(["Mend it.", `Once that is mended, go on with \`holdfast rollback resume ${id}\`.`, `Or go back to where it was with \`holdfast rollback abort ${id}\`.`]);
    expect(journal.entries.at(-1)).toMatchObject({ kind: "step-failed", step: "swap", code: "restore-failed", message: "it broke" });
    expect(log).toEqual(["stop"]);
    expect(stepIn(stateOf(journal.entries), "swap")).toMatchObject({ begun: true, failed: { code: "restore-failed" } });
  });

  test("says that there is no way back behind a step that cannot be taken back", async () => {
    const { steps, options } = freshWorld();
    const error = await failure(runSteps(steps({ stop: { irreversible: "the old rows are gone" }, swap: fails() }), memoryJournal(), options));
    expect(error.hints.at(-1)).toBe("It can no longer be aborted: the old rows are gone.");
  });

  test("keeps a secret out of the journal", async () => {
    const { steps, options } = freshWorld();
    const journal = memoryJournal();
    await failure(runSteps(steps({ stop: { perform: () => Promise.reject(new HoldfastError("database-unreachable", "no answer from postgres://app:hunter22@db/ehr")) } }), journal, options));
    expect(JSON.stringify(journal.entries)).not.toContain("hunter22");
  });

  test("leaves a bug a bug, and still says how to go on", async () => {
    const { steps, options, events } = freshWorld();
    const journal = memoryJournal();
    const bug = new TypeError("undefined is not a function");
    expect(await failure(runSteps(steps({ swap: { perform: () => Promise.reject(bug) } }), journal, options))).toBe(bug);
    expect(journal.entries.at(-1)).toMatchObject({ kind: "step-failed", code: "bug" });
    expect(events).toContainEqual({ type: "note", level: "warn", message: `Once that is mended, go on with \`holdfast rollback resume ${id}\`.` });
  });

  test("ends with the running step when it is cancelled, and says so in the journal", async () => {
    const abort = new AbortController();
    const { steps, options, log } = freshWorld(abort.signal);
    const journal = memoryJournal();
    const work = runSteps(steps({
      swap: { perform: ({ signal }) => new Promise((_, reject) => { signal.addEventListener("abort", () => { reject(new HoldfastError("cancelled", "cancelled")); }); abort.abort(); }) },
    }), journal, options);
    expect(await failure(work)).toMatchObject({ code: "cancelled", details: { stoppedAt: "swap", done: ["stop"] } });
    expect(journal.said().at(-1)).toBe("step-failed swap");
    expect(log).toEqual(["stop"]);
  });

  test("begins nothing more once the lock is lost, though the step before went well", async () => {
    const abort = new AbortController();
    const { steps, options } = freshWorld(abort.signal);
    const journal = memoryJournal();
    const lost = new HoldfastError("lock-held", "the lock was taken over");
    const error = await failure(runSteps(steps({ stop: { perform: () => { abort.abort(lost); return Promise.resolve({}); } } }), journal, options));
    expect(error).toMatchObject({ code: "lock-held", message: "the lock was taken over", details: { done: ["stop"], notDone: ["swap", "start"] } });
    expect(journal.said()).toEqual(["step-begun stop", "step-done stop"]);
  });

  test("performs nothing that the journal could not take", async () => {
    const { steps, options, log } = freshWorld();
    const journal = memoryJournal();
    journal.faults.append = (note) => { if (note.kind === "step-begun" && note.step === "swap") throw new HoldfastError("store-failed", "the disk is full"); };
    expect(await failure(runSteps(steps(), journal, options))).toMatchObject({ code: "store-failed", details: { done: ["stop"], notDone: ["swap", "start"] } });
    expect(log).toEqual(["stop"]);
    delete journal.faults.append;
    await runSteps(steps(), journal, options);
    expect(log).toEqual(["stop", "swap", "start"]);
  });

  test("does not do again what was done when the journal could not take that it was", async () => {
    const { steps, options, log } = freshWorld();
    const journal = memoryJournal();
    journal.faults.append = (note) => { if (note.kind !== "step-begun") throw new HoldfastError("store-failed", "the disk is full"); };
    expect(await failure(runSteps(steps(), journal, options))).toMatchObject({ code: "store-failed" });
    delete journal.faults.append;
    await runSteps(steps(), journal, options);
    expect(log).toEqual(["stop", "swap", "start"]);
  });

  test("refuses what is over, being aborted, or of another plan", async () => {
    const { steps, options, log } = freshWorld();
    const refusals = [memoryJournal([{ kind: "ended", outcome: "done", message: "" }]), memoryJournal([begun("stop"), { kind: "aborting" }]), memoryJournal([begun("migrate")])];
    for (const journal of refusals) expect(await failure(runSteps(steps(), journal, options))).toMatchObject({ code: "refused" });
    expect(log).toEqual([]);
    await expect(runSteps([...steps(), ...steps()], memoryJournal(), options)).rejects.toThrow("two steps");
  });
});

describe("a step that wants to be confirmed", () => {
  test("is refused where nobody can be asked, and when the answer is no; nothing is begun", async () => {
    for (const ask of [undefined, () => Promise.resolve(false)]) {
      const { steps, options, log } = freshWorld();
      const journal = memoryJournal();
      expect(await failure(runSteps(steps({ swap: { confirm: true } }), journal, { ...options, ask }))).toMatchObject({ code: "refused", message: expect.stringContaining("do swap") as string });
      expect(log).toEqual(["stop"]);
      expect(journal.said()).toEqual(["step-begun stop", "step-done stop"]);
    }
  });

  test("is done after a yes, and is not asked for when it had been done", async () => {
    const { steps, options, log, world } = freshWorld();
    const asked: string[] = [];
    const ask = (step: RollbackStep): Promise<boolean> => { asked.push(step.id); return Promise.resolve(true); };
    world.add("stop");
    await runSteps(steps({ stop: { confirm: true }, swap: { confirm: true } }), memoryJournal([begun("stop")]), { ...options, ask });
    expect(asked).toEqual(["swap"]);
    expect(log).toEqual(["swap", "start"]);
  });
});

describe("taking back", () => {
  test("goes in reverse through what was done or begun, and ends the journal", async () => {
    const { steps, options, log, events } = freshWorld();
    const journal = memoryJournal();
    await failure(runSteps(steps({ start: { perform: () => Promise.reject(new HoldfastError("rollback-failed", "unhealthy")) } }), journal, options));
    expect(await undoSteps(steps(), journal, options)).toEqual(["start", "swap", "stop"]);
    expect(log).toEqual(["stop", "swap", "-swap", "-stop"]);
    expect(journal.said().slice(6)).toEqual(["aborting", "undo-begun start", "undo-done start", "undo-begun swap", "undo-done swap", "undo-begun stop", "undo-done stop", "ended"]);
    expect(stateOf(journal.entries).ended).toMatchObject({ outcome: "aborted", message: "aborted: start, swap, stop taken back" });
    expect(events).toContainEqual({ type: "plan", steps: [{ id: "undo start", title: "take back: do start" }, { id: "undo swap", title: "take back: do swap" }, { id: "undo stop", title: "take back: do stop" }] });
  });

  test("leaves alone what was never begun, and what needs no taking back", async () => {
    const { options, log, world } = freshWorld();
    const noUndo = wordStep("backup", world, {}, log);
    Reflect.deleteProperty(noUndo, "undo");
    const journal = memoryJournal([begun("backup"), done("backup"), begun("stop"), done("stop")]);
    world.add("stop").add("swap");
    expect(await undoSteps([noUndo, wordStep("stop", world, {}, log), wordStep("swap", world, {}, log)], journal, options)).toEqual(["stop"]);
    expect(log).toEqual(["-stop"]);
  });

  test("is refused before anything, when something cannot be taken back, also if it had not said that it was done", async () => {
    for (const notes of [[begun("swap"), done("swap")], [begun("swap")]]) {
      const { steps, options, log, world } = freshWorld();
      world.add("stop").add("swap");
      const journal = memoryJournal([begun("stop"), done("stop"), ...notes]);
      const error = await failure(undoSteps(steps({ swap: { irreversible: "the old rows are gone" } }), journal, options));
      expect(error).toMatchObject({ code: "refused", message: `${id} can no longer be aborted: "do swap" is done, and the old rows are gone` });
      expect(log).toEqual([]);
      expect(journal.said()).not.toContain("aborting");
    }
    const { steps, options, world } = freshWorld();
    world.add("stop");
    expect(await undoSteps(steps({ swap: { irreversible: "the old rows are gone" } }), memoryJournal([begun("stop"), done("stop"), begun("swap")]), options)).toEqual(["swap", "stop"]);
  });

  test("goes on when it failed or was killed, and takes nothing back twice", async () => {
    const { steps, options, log } = freshWorld();
    const journal = memoryJournal();
    await runSteps(steps(), journal, options);
    const error = await failure(undoSteps(steps({ swap: { undo: () => Promise.reject(new HoldfastError("rollback-failed", "busy")) } }), journal, options));
    expect(error).toMatchObject({ code: "rollback-failed", details: { stoppedAt: "swap", takenBack: ["start"], notTakenBack: ["stop", "swap"] } });
    expect(error.hints).toEqual([`Once that is mended, go on with \`holdfast rollback abort ${id}\`.`]);
    expect(await failure(runSteps(steps(), journal, options))).toMatchObject({ code: "refused" });
    const never = { undo: () => Promise.reject(new Error("twice")) };
    expect(await undoSteps(steps({ start: never }), journal, options)).toEqual(["start", "swap", "stop"]);
    expect(log).toEqual(["stop", "swap", "start", "-start", "-swap", "-stop"]);
    expect(await failure(undoSteps(steps(), journal, options))).toMatchObject({ code: "refused" });
  });

  test("stops before the next step when it is cancelled", async () => {
    const abort = new AbortController();
    const { steps, options, log, world } = freshWorld(abort.signal);
    world.add("stop").add("swap");
    const journal = memoryJournal([begun("stop"), done("stop"), begun("swap"), done("swap")]);
    const work = undoSteps(steps({ swap: { undo: () => { abort.abort(); return Promise.resolve({}); } } }), journal, options);
    expect(await failure(work)).toMatchObject({ code: "cancelled", details: { takenBack: ["swap"], notTakenBack: ["stop"] } });
    expect(log).toEqual([]);
  });
});

test("the loop and the real journal fit: another process goes on where the first stopped", async () => {
  const bench = await journalBench();
  const { steps, options, log } = freshWorld();
  await failure(runSteps(steps({ swap: fails() }), await bench.open(), options));
  await runSteps(steps(), await bench.open({ resume: true }), options);
  expect(log).toEqual(["stop", "swap", "start"]);
  const journal = await bench.open({ resume: true });
  expect(stateOf(journal.entries)).toMatchObject({ aborting: false, ended: undefined });
  expect(bench.keys()).toHaveLength(journal.entries.length);
});
