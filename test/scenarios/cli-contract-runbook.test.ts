/** What scripts read of runbooks: the shape of every command's JSON. */
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

import { workbench } from "../harness/cli.ts";
import { createDatabase } from "../harness/postgres.ts";
import { shapesOf } from "../harness/shapes.ts";

const snapshot = join(dirname(import.meta.filename), "__contract__", "json-shapes-runbook.json");

const runbook = `---
id: mark
title: Leave a mark
platform: none
severity: SEV-3
owner: the tests
lastReviewed: 2026-11-01
preconditions:
  - Nothing stands in the way.
inputs:
  file:
    type: path
    description: The mark.
---

# Leave a mark

For a test.

## Leave it

It is a file.

\`\`\`yaml holdfast
id: leave
run: [touch, "{{file}}"]
after:
  - run: [test, -e, "{{file}}"]
undo: [rm, "{{file}}"]
\`\`\`

## Look away

Which fails.

\`\`\`yaml holdfast
id: look-away
run: ["false"]
after:
  - run: [test, -e, "{{file}}"]
repeatable: it does nothing
undo: nothing
\`\`\`
`;

test("the JSON of every command's result, and of its failures, has the shape that was agreed", async () => {
  const { url } = await createDatabase();
  const place = await workbench(url);
  await place.ok("repository", "init");
  const { shapes, run } = shapesOf(place);
  await writeFile(join(place.folder, "mark.md"), runbook);
  const input = ["--input", `file=${join(place.folder, "mark")}`];
  await run("runbook new", 0, "runbook", "new", "another", "--platform", "none", "--folder", place.folder);
  await run("runbook list", 0, "runbook", "list");
  await run("runbook show", 0, "runbook", "show", "mark.md", ...input);
  await run("runbook check", 0, "runbook", "check", "mark.md");
  await run("failure: a step of a runbook", 22, "rollback", "--runbook", "mark.md", ...input, "--confirm", "mark");
  await writeFile(join(place.folder, "mark.md"), runbook.replace('["false"]', '["true"]'));
  await run("rollback --runbook", 0, "rollback", "--runbook", "mark.md", ...input, "--confirm", "mark");

  await expect(`${JSON.stringify(shapes, null, 2)}\n`).toMatchFileSnapshot(snapshot);
}, 300_000);
