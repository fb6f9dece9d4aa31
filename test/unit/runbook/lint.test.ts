/** Every rule of `runbook check`, where it must say something and where it must not. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { checkRunbook } from "../../../src/rollback/runbook/lint.ts";
import { runbookPlatforms } from "../../../src/rollback/runbook/runbook.ts";
import { runbookSkeleton } from "../../../src/rollback/runbook/skeleton.ts";
import { now, sample } from "./sample.ts";

const found = (source: string, at = now) => checkRunbook(source, at).problems.map(({ line, severity, rule, message }) => `${line} ${severity} ${rule}: ${message}`);

test("a runbook with nothing wrong has no problems", () => {
  expect(found(sample)).toEqual([]);
});

test("Windows' line ends and a byte order mark are no problem", () => {
  expect(found(`\uFEFF${sample.replaceAll("\n", "\r\n")}`)).toEqual([]);
});

const compose = 'docker, compose, --project-name, "{{project}}", --file, /srv/compose.yaml, ps';

/** What is changed in the sample, and the problems that must be found, each as `line severity rule: message`. */
const broken: readonly (readonly [title: string, from: string, to: string, ...problems: readonly (string | RegExp)[]])[] = [
  ["an unknown input", '"{{project}}", --file, /srv/compose.yaml, ps', '"{{projekt}}", --file, /srv/compose.yaml, ps', "30 error unknown-input: step look: there is no input projekt; did you mean project?"],
  ["an unknown input in the prose", "Something is changed.", "Something of {{projects}} is changed.", /^37 error unknown-input: step change: there is no input projects/],
  ["an unknown input in an expectation", "status: healthy", 'status: "{{state}}"', "50 error unknown-input: step change: there is no input state"],
  ["an unused input", 'PASSWORD: "{{password}}"', "PASSWORD: none", "14 error unused-input: the input password is never used"],
  ["a step without a check", "after:\n  - run: [docker, version]\n", "", "24 error no-check: step look: nothing is checked after it"],
  ["a step that cannot be resumed", "after:\n  - run: [docker, version]\nrepeatable: it only reads\n", "", /^24 error no-check/, /^24 error not-resumable: step look: after a kill nothing could tell/],
  ["a manual step that cannot be resumed", "repeatable: looking does no harm\n", "", /^57 error not-resumable: step see/],
  ["a step without an undo", "undo: nothing\n", "", /^24 error no-undo: step look: it does not say how it is undone/],
  ["a step without prose", "Nothing is changed.\n", "", /error no-prose: step look/],
  ["missing front matter", "---\nid: sample", "id: sample", /^1 error front-matter: the front matter is missing/],
  ["a missing key of the front matter", "owner: the tests\n", "", /^2 error missing: front matter: owner is missing; it must be a text/],
  ["an unknown key of the front matter", "severity:", "severty:", /error missing: front matter: severity is missing/, "5 error unknown-key: front matter: unknown key `severty`; did you mean `severity`?"],
  ["an unknown key of a step", "repeatable: it only reads", "repeateable: it only reads", "33 error unknown-key: step \"Look at {{project}}\": unknown key `repeateable`; did you mean `repeatable`?"],
  ["an unknown key of a check", "expect: {", "expects: {", "51 error unknown-key: step \"Change it\": unknown key `expects`; did you mean `expect`?"],
  ["a review long ago", "2026-11-01", "2026-05-01", "7 warning reviewed: it was last reviewed 205 days ago; every 180 days somebody should"],
  ["a review in the future", "2026-11-01", "2027-11-01", "7 error reviewed: it was last reviewed on 2027-11-01, which is in the future"],
  ["a date that is none", "2026-11-01", "2026-02-30", "7 error value: front matter: lastReviewed must be a date, as in 2026-11-22"],
  ["two steps with one id", "id: see", "id: look", "62 error duplicate-step: step look: its id is that of the step on line 24 too"],
  ["two blocks in a step", "Nothing is changed.\n", "```sh\nls\n```\n", /^30 error block: step "Look at \{\{project\}\}" has 2 fenced blocks, but must have one/],
  ["no block in a step", "## See\n", "## See\n\nNothing.\n\n## See more\n", '57 error block: step "See" has no fenced block; a step that a person does has one with `manual`'],
  ["a block in a list", "```yaml holdfast\nid: see\nmanual: Log in.\nrepeatable: looking does no harm\nundo: { none: what was seen was seen }\n```", "- so:\n  ```yaml holdfast\n  id: see\n  ```", /^61 error block: step "See": a fenced block stands inside of a list/],
  ["a block of another language", "```yaml holdfast\nid: see", "```yaml\nid: see", '61 error block: step "See": the fenced block must begin with ```yaml holdfast'],
  ["a block before the first step", "When to follow it.", "```yaml holdfast\nid: early\n```", "22 error block: an executable block stands before the first step"],
  ["a shell", compose, 'sh, -c, "ls | wc"', /^30 error shell: step look: sh -c is a shell/],
  ["a shell behind another program", compose, "sudo, -u, root, /bin/bash, -lc, ls", /^30 error shell: step look: bash -c is a shell/],
  ["a line in place of words", `[${compose}]`, "docker ps", /^30 error value: step "Look at \{\{project\}\}": run must be a list of words/],
  ["a number among the words", "[docker, version]", "[sleep, 3]", /^32 error value: step "Look at \{\{project\}\}": after\.0\.run\.1 must be a list of words/],
  ["kubectl without its context", "[docker, version]", "[kubectl, --namespace, ehr, get, pods]", "32 error ambient: step look: kubectl without --context acts on whatever is the default of the moment"],
  ["kubectl without its namespace", "[docker, version]", "[kubectl, --context=prod, get, pods]", "32 error ambient: step look: kubectl without --namespace acts on whatever is the default of the moment"],
  ["kubectl whose options belong to somebody else", "[docker, version]", "[kubectl, --context=prod, exec, app, --, x, --namespace, y]", /^32 error ambient: step look: kubectl without --namespace/],
  ["Compose without its project", '--project-name, "{{project}}", --file, /srv/compose.yaml, ps', "--file, /srv/compose.yaml, ps", "30 error ambient: step look: docker compose without --project-name acts on whatever is the default of the moment"],
  ["Compose without its file", "--file, /srv/compose.yaml, ps", "ps", "30 error ambient: step look: docker compose without --file acts on whatever is the default of the moment"],
  ["Compose v1", "[docker, version]", "[docker-compose, ps]", /^32 error ambient: step look: docker-compose is version 1/],
  ["psql without anything", "[docker, version]", "[psql]", /psql without --dbname/, /psql without -v ON_ERROR_STOP=1/, /psql without --no-psqlrc/],
  ["a secret among the arguments", '[touch, "it\'s done"]', '[login, "--password={{password}}"]', /^44 error secret: step change: the secret password stands among the arguments/],
  ["a secret in a URL", "http://127.0.0.1:3000/health", '"http://127.0.0.1:3000/?p={{password}}"', /error secret: step change: the secret password stands in a URL/],
  ["an input as the program", compose, '"{{project}}", ps', /^30 error program: step look: the program itself is an input/],
  ["an input in SQL", "- run: [docker, version]", "- run: [psql, -X, -v, ON_ERROR_STOP=1, -d, x, -f, \"-\"]\n    stdin: DROP TABLE {{project}}", /^32 error sql: step look: \{\{project\}\} stands in SQL, unquoted/],
  ["an input in a SQL argument", "[docker, version]", '[psql, -X, -v, ON_ERROR_STOP=1, -d, x, -c, "DROP TABLE {{project}}"]', /^32 error sql/],
  ["a level that is left out", "Nothing is changed.", "#### Deep", /^26 error heading: the heading "Deep" has level 4 below one of level 2/],
  ["a title after the first step", "Something is changed.", "# Another", /^39 error heading: the heading "Another" has level 1 after the first step/],
  ["YAML that is none", "id: see", "id: [see", /^\d+ error yaml: the YAML cannot be read/],
  ["a key twice", "id: see", "id: see\nid: see", /^\d+ error yaml: the YAML cannot be read/],
  ["a check of two kinds", "- run: [docker, version]", "- run: [docker, version]\n    http: http://x", /must have one of run, pipe and http/],
  ["a step of two kinds", "manual: Log in.", "manual: Log in.\nrun: [ls]", /must have one of run, pipe and manual/],
  ["a choice without choices", "type: name", "type: choice", /choices must be given for the type choice/],
  ["a pattern that is none", "type: name", 'type: name\n    pattern: "["', /pattern must be a regular expression/],
  ["an unknown input in a heading", "## See\n", "## See {{projects}}\n", /^57 error unknown-input: step see: there is no input projects/],
  ["an unknown input in a precondition", "The project {{project}} is there.", "The project {{projects}} is there.", "9 error unknown-input: the preconditions: there is no input projects; did you mean project?"],
  ["an unknown input in the reason of what cannot be undone", "what was seen was seen", '"what {{projects}} saw was seen"', /error unknown-input: step see: there is no input projects/],
  ["a default that its own type refuses", "description: The Compose project.", "description: The Compose project.\n    default: two words", "14 error default: the default of the input project must be a name: letters, digits, and . _ : @ / - between them"],
  ["a default that is none of the choices", "type: name", "type: choice\n    choices: [blue, green]\n    default: red", /error default: the default of the input project must be blue or green/],
  ["a check that can never hold", "within: 1m", "within: 1s", /error patience: step change: 3 times in a row, 1 s apart, do not fit into 1 s/],
  ["an output that each command writes over", "env:\n", "output: /tmp/out\nenv:\n", /error output: step change: each of its commands would write over/],
  ["a runbook that executes a runbook", "[docker, version]", "[holdfast, rollback, --runbook, sample]", /^32 error loop: step look: a runbook that executes a runbook would wait for itself/],
  ["an alias", "run: [docker, compose, --project-name, \"{{project}}\", --file, /srv/compose.yaml, ps]\nafter:\n  - run: [docker, version]", "run: &looking [docker, compose, --project-name, \"{{project}}\", --file, /srv/compose.yaml, ps]\nafter:\n  - run: *looking", "32 error yaml: the alias *looking is not followed: write out what it stands for"],
  ["an input with blanks beside its name", compose, 'docker, compose, --project-name, "{{ project }}", --file, /srv/compose.yaml, ps', "30 error placeholder: step look: {{ project }} is left as it is: an input is written without blanks, {{project}}"],
  ["an undo of two kinds", "undo: { none: what was seen was seen }", "undo: { none: what was seen was seen, run: [ls] }", /error unknown-key: step "See": unknown key `(?:run|none)`$/],
  ["a URL that is none", "http: http://127.0.0.1:3000/health", "http: 127.0.0.1:3000/health", /error value: step "Change it": after\.0\.http must be a URL, as in/],
  ["a secret with a default", "secret: true", "secret: true\n    default: geheim", /default must not be given for a secret/],
];

test.each(broken.map(([title, from, to, ...problems]) => ({ title, from, to, problems })))("$title is found, on its line", ({ from, to, problems }) => {
  expect(sample.includes(from)).toBe(true);
  const all = found(sample.replace(from, to));
  expect(all.length, all.join("\n")).toBeGreaterThanOrEqual(problems.length);
  for (const problem of problems) expect(all).toContainEqual(typeof problem === "string" ? problem : expect.stringMatching(problem));
  // Nothing else is said of what is otherwise well.
  expect(all.filter((each) => !problems.some((problem) => (typeof problem === "string" ? problem === each : problem.test(each)))), all.join("\n")).toEqual([]);
});

test("a runbook without a step is found", () => {
  expect(found(sample.slice(0, sample.indexOf("## Look")))).toContainEqual(expect.stringMatching(/error no-steps/));
});

test.each(runbookPlatforms)("the skeleton for the platform %s passes its own check", (platform) => {
  expect(found(runbookSkeleton("night-release", platform, "the tests", now))).toEqual([]);
});

test("every shipped runbook passes, and its file has its id", async () => {
  const folder = join(import.meta.dirname, "../../../runbooks");
  const names = (await readdir(folder)).filter((name) => name !== "README.md");
  expect(names.length).toBeGreaterThanOrEqual(9);
  for (const name of names) {
    const { runbook, problems } = checkRunbook(await readFile(join(folder, name), "utf8"), new Date());
    expect(problems.filter(({ severity }) => severity === "error"), name).toEqual([]);
    expect(`${runbook?.id ?? ""}.md`).toBe(name);
  }
});
