/** Runbooks as steps, with real programs: done, found done, taken up, taken back, and refused; and the lists that people follow. */
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";

import { runSteps } from "../../../src/rollback/journal/run-steps.ts";
import { undoSteps } from "../../../src/rollback/journal/undo-steps.ts";
import { block, folder, freshFolder, head, log, memory, prepare, program } from "./executing.ts";

beforeEach(freshFolder);

test("commands run in order with their inputs, stdin, variables and output, and their last lines are told", async () => {
  const say = await program("say", 'cat; echo "$GREETING $1"; seq 1 80');
  const source = head("inputs:\n  who:\n    type: text\n    description: Who.\n") + block("say", `run:\n  - [${say}, "{{who}}"]\nstdin: "in:{{who}} "\nenv: { GREETING: "hello {{who}}" }\nafter:\n  - run: ["true"]\nundo: nothing`)
    + block("keep", `run: [${say}, kept]\noutput: ${folder}/out\nafter:\n  - run: [test, -s, ${folder}/out]\nundo: nothing`);
  const { steps, told, options } = prepare(source, { who: "it's $HOME; you" });
  await runSteps(steps, memory(), options);
  expect(told).toHaveLength(1);
  expect(told[0]!.split("\n")).toEqual(Array.from({ length: 60 }, (_, n) => String(n + 21)));
  expect(await log()).toEqual(["say it's $HOME; you", "say kept"]);
  expect(await readFile(join(folder, "out"), "utf8")).toMatch(/^ kept\n1\n/);
});

test("what writes rows is shown nowhere, not even in a check that fails", async () => {
  const rows = await program("rows", "echo Erika Mustermann");
  const { steps, told, options } = prepare(head() + block("rows", `run: [${rows}]\nafter:\n  - run: [${rows}]\n    stdout: { equals: nobody }\nundo: nothing`));
  await expect(runSteps(steps, memory(), options)).rejects.toMatchObject({ code: "rollback-failed", message: expect.not.stringContaining("Erika") as string });
  expect(told).toEqual([]);
});

test("a command that fails stops the run with its last words, and the run goes on with it and not with what was before it", async () => {
  const first = await program("first", "true");
  const second = await program("second", `test -e "${folder}/mended" || { echo "password=geheim123 no" >&2; exit 7; }`);
  const source = head() + block("two", `run:\n  - [${first}]\n  - [${second}]\nafter:\n  - run: [test, -e, ${folder}/mended]\nundo: nothing`) + block("last", `run: [${first}, again]\nafter:\n  - run: ["true"]\nundo: nothing`);
  const journal = memory();
  await expect(runSteps(prepare(source).steps, journal, prepare(source).options)).rejects.toMatchObject({ code: "rollback-failed", exitCode: 22, message: "step two: second exited with 7: password=*** no" });
  await writeFile(join(folder, "mended"), "");
  // The check tells that it is done: somebody mended it by hand, so that nothing is run again.
  await runSteps(prepare(source).steps, journal, prepare(source).options);
  expect(await log()).toEqual(["first", "second", "first again"]);
  expect(journal.entries.filter(({ kind }) => kind === "step-done").map((entry) => "found" in entry && entry.found)).toEqual([true, false]);
});

test("a step that was begun and is not done goes on with the command that was under way", async () => {
  const first = await program("first", "true");
  const second = await program("second", `touch ${folder}/done`);
  const source = head() + block("two", `run:\n  - [${first}]\n  - [${second}]\nbefore:\n  - run: [test, "!", -e, ${folder}/never-again]\nafter:\n  - run: [test, -e, ${folder}/done]\nundo: nothing`);
  const journal = memory();
  await journal.append({ kind: "step-begun", step: "two" });
  await journal.append({ kind: "step-noted", step: "two", facts: { command: 2 } });
  await writeFile(join(folder, "never-again"), "");
  const { steps, options } = prepare(source);
  await runSteps(steps, journal, options);
  expect(await log()).toEqual(["second"]);
});

test("a step that was killed after its effect is found done; one that was killed before its command is done", async () => {
  const act = await program("act", `touch ${folder}/done`);
  const source = head() + block("act", `run: [${act}]\nafter:\n  - run: [test, -e, ${folder}/done]\nundo: nothing`);
  const journal = memory();
  await journal.append({ kind: "step-begun", step: "act" });
  const before = prepare(source);
  await runSteps(before.steps, journal, before.options);
  expect(await log()).toEqual(["act"]);

  const killed = memory();
  await killed.append({ kind: "step-begun", step: "act" });
  await killed.append({ kind: "step-noted", step: "act", facts: { command: 1 } });
  const after = prepare(source);
  await runSteps(after.steps, killed, after.options);
  expect(await log()).toEqual(["act"]);
});

test("a step that may be repeated is done again, whatever its checks say", async () => {
  const act = await program("act", "true");
  const source = head() + block("act", `run: [${act}]\nafter:\n  - run: ["true"]\nrepeatable: it does no harm\nundo: nothing`);
  const journal = memory();
  await journal.append({ kind: "step-begun", step: "act" });
  await journal.append({ kind: "step-noted", step: "act", facts: { command: 1 } });
  const { steps, options } = prepare(source);
  await runSteps(steps, journal, options);
  expect(await log()).toEqual(["act"]);
});

test("what must hold before is refused with exit 19, and nothing is run", async () => {
  const act = await program("act", "true");
  const { steps, options } = prepare(head() + block("act", `before:\n  - run: [test, -e, ${folder}/missing]\nrun: [${act}]\nafter:\n  - run: ["true"]\nundo: nothing`));
  const refused: unknown = await runSteps(steps, memory(), options).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "refused", message: expect.stringMatching(/^step act: what must hold before it does not \(test -e \S+missing\): test exited with 1/) as string });
  expect(await log()).toEqual([""]);
});

test("steps are taken back, last first; what cannot be is refused before anything is", async () => {
  const undo = await program("undo", "true");
  const step = (id: string, more: string) => block(id, `run: ["true"]\nafter:\n  - run: ["true"]\nundo: ${more}`);
  const source = head() + step("one", `[[${undo}, one], [${undo}, more]]`) + step("two", `{ run: [${undo}, two], stdin: x }`) + step("three", "nothing");
  const journal = memory();
  const first = prepare(source);
  await runSteps(first.steps, journal, first.options);
  expect(await undoSteps(prepare(source).steps, journal, first.options)).toEqual(["two", "one"]);
  expect(await log()).toEqual(["undo two", "undo one", "undo more"]);

  const final = head() + step("one", `[${undo}, late]`) + step("two", "{ none: the letters are sent }");
  const other = memory();
  const second = prepare(final);
  await runSteps(second.steps, other, second.options);
  await expect(undoSteps(prepare(final).steps, other, second.options)).rejects.toMatchObject({ code: "refused", message: expect.stringContaining("the letters are sent") as string });
  expect(await log()).toHaveLength(3);
});

test("a pipe carries everything, and fails if any member does", async () => {
  const many = await program("many", "seq 1 200000");
  const half = await program("half", "seq 1 100000; exit 3");
  const steps = (from: string, count: number) => prepare(head() + block("flow", `pipe:\n  - [${from}]\n  - [wc, -l]\noutput: ${folder}/count${count}\nafter:\n  - run: [cat, ${folder}/count${count}]\n    stdout: { equals: ${count} }\nundo: nothing`));
  const good = steps(many, 200_000);
  await runSteps(good.steps, memory(), good.options);
  const bad = steps(half, 100_000);
  await expect(runSteps(bad.steps, memory(), bad.options)).rejects.toMatchObject({ code: "rollback-failed", message: "step flow: half exited with 3" });
});

test("checks of every kind hold and fail", async () => {
  const json = await program("json", `echo '{"a":{"b.c":[1,{"d":true}]},"s":"x"}'`);
  const outcome = async (yaml: string): Promise<string> => {
    const { steps, options } = prepare(head() + block("check", `run: ["true"]\nafter:\n  - ${yaml}\nundo: nothing`));
    return runSteps(steps, memory(), options).then(() => "holds", (error: unknown) => (error as Error).message.replace(/^.*?\): /, ""));
  };
  expect(await outcome("{ run: [echo, abc], stdout: { equals: abc, matches: ^a, contains: b } }")).toBe("holds");
  expect(await outcome("{ run: [echo, abc], stdout: { equals: ab } }")).toBe('it does not answer "ab": abc');
  expect(await outcome("{ run: [echo, abc], stdout: { matches: ^b } }")).toBe("its answer does not match ^b: abc");
  expect(await outcome("{ run: [echo, abc], stdout: { contains: x } }")).toBe('its answer does not contain "x": abc');
  expect(await outcome("{ run: [echo, abc], stdout: { same: { run: [echo, abc] } } }")).toBe("holds");
  expect(await outcome("{ run: [echo, abc], stdout: { same: { run: [echo, abd] } } }")).toBe("its answer is not that of echo abd");
  expect(await outcome('{ run: ["false"], exit: 1 }')).toBe("holds");
  expect(await outcome('{ run: ["true"], exit: 1 }')).toBe("it exited with 0, but must with 1");
  expect(await outcome("{ run: [/nowhere/at-all] }")).toMatch(/could not be run \(ENOENT\)/);
  expect(await outcome(`{ run: [${json}], json: { 'a.b\\.c.1.d': true, s: x } }`)).toBe("holds");
  expect(await outcome(`{ run: [${json}], json: { s: y } }`)).toBe('s is something else, but must be "y"');
  expect(await outcome(`{ run: [${json}], json: { t: y } }`)).toBe('t is missing, but must be "y"');
  expect(await outcome("{ run: [echo, no], json: { s: x } }")).toBe("its answer is no JSON");
});

test("an HTTP check is asked until it held so often in a row, within its time", async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.statusCode = asked === 2 ? 503 : 200;
    response.end(JSON.stringify({ status: asked < 3 ? "starting" : "healthy" }));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => { server.close(); });
  await new Promise((resolve) => { server.once("listening", resolve); });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/health`;
  const step = (more: string) => prepare(head() + block("health", `run: ["true"]\nafter:\n  - { http: "${url}", expect: { status: healthy }, ${more} }\nundo: nothing`));
  const patient = step("times: 3, within: 20s, every: 1s");
  await runSteps(patient.steps, memory(), patient.options);
  expect(asked).toBe(5);
  const wrong = step("status: 404");
  await expect(runSteps(wrong.steps, memory(), wrong.options)).rejects.toMatchObject({ message: expect.stringContaining("it answers with 200, but must with 404") as string });
  const gone = prepare(head() + block("health", 'run: ["true"]\nafter:\n  - { http: "http://127.0.0.1:1/" }\nundo: nothing'));
  await expect(runSteps(gone.steps, memory(), gone.options)).rejects.toMatchObject({ message: expect.stringContaining("no answer (") as string });
});

test("a step that wants to be confirmed, or that a person does, is asked about; no means no", async () => {
  const act = await program("act", "true");
  const source = head() + block("act", `confirm: true\nrun: [${act}]\nafter:\n  - run: ["true"]\nundo: nothing`) + block("by-hand", "manual: Look.\nrepeatable: it does no harm\nundo: nothing");
  const asked: string[] = [];
  const { steps, options } = prepare(source);
  await runSteps(steps, memory(), { ...options, ask: (step) => { asked.push(step.title); return Promise.resolve(true); } });
  expect(asked).toEqual(["Step act", "by hand: Step by-hand"]);
  const refused = prepare(source);
  await expect(runSteps(refused.steps, memory(), { ...refused.options, ask: () => Promise.resolve(false) })).rejects.toMatchObject({ code: "refused" });
  await expect(runSteps(prepare(source).steps, memory(), refused.options)).rejects.toMatchObject({ code: "refused" });
  expect(await log()).toEqual(["act"]);
});

test("an output that is there is not overwritten, but what this very step began to write is", async () => {
  const say = await program("say", "echo new");
  const out = join(folder, "out");
  await writeFile(out, "somebody's");
  const source = head() + block("keep", `run: [${say}]\noutput: ${out}\nafter:\n  - run: [test, -s, ${out}]\nrepeatable: it only reads\nundo: nothing`);
  const refused = prepare(source);
  await expect(runSteps(refused.steps, memory(), refused.options)).rejects.toMatchObject({ code: "refused", message: `step keep: its output ${out} is there already, and is not overwritten` });
  expect([await readFile(out, "utf8"), await log()]).toEqual(["somebody's", [""]]);

  const killed = memory();
  await killed.append({ kind: "step-begun", step: "keep" });
  await killed.append({ kind: "step-noted", step: "keep", facts: { command: 1 } });
  const resumed = prepare(source);
  await runSteps(resumed.steps, killed, resumed.options);
  expect(await readFile(out, "utf8")).toBe("new\n");
});
