/** What a runbook is given, and what a person reads of it before, while and after it is executed. */
import { expect, test } from "vitest";

import { runSteps } from "../../../src/rollback/journal/run-steps.ts";
import { renderChecklist } from "../../../src/rollback/runbook/checklist.ts";
import { resolveInputs } from "../../../src/rollback/runbook/inputs.ts";
import { block, head, memory, parsed, prepare } from "./executing.ts";
import { sample } from "./sample.ts";

const typed = head(`inputs:
  n: { type: integer, description: N., default: 3 }
  yes: { type: boolean, description: Y., default: true }
  file: { type: path, description: F., default: /a }
  url: { type: url, description: U., default: "http://x" }
  name: { type: name, description: N., default: a, pattern: "[a-z]+" }
  pick: { type: choice, description: P., choices: [a, b], default: a }
  words: { type: text, description: W., default: some words }
  must: { type: text, description: What must be given. }
  pass: { type: text, description: A password., secret: true }
`) + block("all", 'run: [echo, "{{n}}", "{{yes}}", "{{file}}", "{{url}}", "{{name}}", "{{pick}}", "{{words}}", "{{must}}"]\nenv: { P: "{{pass}}" }\nafter:\n  - run: ["true"]\nundo: nothing');

test.each([
  [{ n: "1.5" }, 'the input n is "1.5", but must be a whole number'],
  [{ yes: "yes" }, 'the input yes is "yes", but must be true or false'],
  [{ file: "a/b" }, 'the input file is "a/b", but must be an absolute path'],
  [{ url: "x" }, 'the input url is "x", but must be a URL'],
  [{ name: "--all" }, 'the input name is "--all", but must be a name'],
  [{ name: "A" }, 'the input name is "A", but must match [a-z]+'],
  [{ name: "a; rm" }, 'the input name is "a; rm", but must be a name'],
  [{ pick: "c" }, 'the input pick is "c", but must be a or b'],
  [{ words: "--force" }, 'the input words is "--force", but must not begin with -'],
  [{ words: "a\nb" }, 'the input words is "a\\nb", but must be a text without control characters'],
  [{ wrods: "x" }, "there is no input wrods; did you mean words?"],
  [{ pass: "geheim\nmehr" }, "the input pass must be a text without control characters"],
])("the inputs %j are refused", (given, message) => {
  let thrown: unknown;
  try {
    resolveInputs(parsed(typed), new Map(Object.entries({ must: "x", pass: "geheim", ...given })));
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: "usage", message: expect.stringContaining(message) as string });
});

test("what is missing is named with what it is for, and a secret with how to give it", () => {
  expect(() => resolveInputs(parsed(typed), new Map())).toThrow(expect.objectContaining({ code: "usage", message: "inputs are missing: must, pass", hints: ["Give --input must=…: What must be given.", "Give --input pass=@FILE: A password."] }) as Error);
});

test("a secret is masked wherever it would be shown", async () => {
  const source = head("inputs:\n  pass: { type: text, description: A password., secret: true }\n") + block("tell", 'run: [printenv, P]\nenv: { P: "{{pass}}" }\nafter:\n  - run: ["true"]\nundo: nothing');
  const { runbook, inputs, steps, told, options } = prepare(source, { pass: "very-geheim-0815" });
  await runSteps(steps, memory(), options);
  expect(told).toEqual(["***"]);
  expect(renderChecklist(runbook, { inputs })).toContain("P='<pass>' printenv P");
  expect(renderChecklist(runbook, { inputs })).not.toContain("0815");
});

test("the checklist is what a person follows", () => {
  expect(renderChecklist(parsed(sample), { inputs: new Map([["project", "ehr"]]) })).toMatchInlineSnapshot(`
    "# A sample

    Runbook \`sample\` · compose · SEV-2 · owner: the tests · last reviewed 2026-11-01

    When to follow it.

    ## Inputs

    - \`project\` = \`ehr\`: The Compose project.
    - \`password\` (secret): A password.

    ## Before you begin

    - [ ] The project ehr is there.

    ## 1. [ ] Look at ehr

    Nothing is changed.

    \`\`\`sh
    docker compose --project-name ehr --file /srv/compose.yaml ps
    \`\`\`

    Afterwards must hold:

    - [ ] \`docker version\` succeeds

    ## 2. [ ] Change it

    Something is changed.

    **Stop and think:** \`change\` asks before it is done.

    \`\`\`sh
    PASSWORD='<password>' docker compose --project-name ehr --file /srv/compose.yaml up --detach
    PASSWORD='<password>' touch 'it'\\''s done'
    \`\`\`

    Afterwards must hold:

    - [ ] \`GET http://127.0.0.1:3000/health\` answers with 200, \`status\` is \`healthy\` (3 times in a row, within 60 s)

    To take it back:

    \`\`\`sh
    docker compose --project-name ehr --file /srv/compose.yaml stop
    \`\`\`

    ## 3. [ ] See

    A person looks.

    By hand: Log in.

    There is no way back: what was seen was seen."
  `);
});

test("after an execution it says who did what, and when", async () => {
  const { steps, options, runbook, inputs } = prepare(head() + block("one", 'run: ["true"]\nafter:\n  - run: ["true"]\nundo: nothing') + block("two", 'run: ["false"]\nafter:\n  - run: ["true"]\nundo: nothing'));
  const journal = memory();
  await runSteps(steps, journal, options).catch(() => undefined);
  expect(renderChecklist(runbook, { inputs, entries: journal.entries })).toMatchInlineSnapshot(`
    "# Tried

    Runbook \`tried\` · any platform · SEV-2 · owner: the tests · last reviewed 2026-11-01

    ## 1. [x] Step one

    Something.

    \`\`\`sh
    true
    \`\`\`

    Afterwards must hold:

    - [ ] \`true\` succeeds

    > 2026-11-22 03:00:00 UTC begun by responder@here
    > 2026-11-22 03:00:00 UTC done by responder@here

    ## 2. [ ] Step two

    Something.

    \`\`\`sh
    false
    \`\`\`

    Afterwards must hold:

    - [ ] \`true\` succeeds

    > 2026-11-22 03:00:00 UTC begun by responder@here
    > 2026-11-22 03:00:00 UTC failed by responder@here: step two: false exited with 1"
  `);
});
