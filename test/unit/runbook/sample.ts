/** A runbook that has nothing wrong with it, to be broken in one place at a time. */
export const now = new Date("2026-11-22T03:00:00Z");

export const sample = `---
id: sample
title: A sample
platform: compose
severity: SEV-2
owner: the tests
lastReviewed: 2026-11-01
preconditions:
  - The project {{project}} is there.
inputs:
  project:
    type: name
    description: The Compose project.
  password:
    type: text
    secret: true
    description: A password.
---

# A sample

When to follow it.

## Look at {{project}}

Nothing is changed.

\`\`\`yaml holdfast
id: look
run: [docker, compose, --project-name, "{{project}}", --file, /srv/compose.yaml, ps]
after:
  - run: [docker, version]
repeatable: it only reads
undo: nothing
\`\`\`

## Change it

Something is changed.

\`\`\`yaml holdfast
id: change
confirm: true
run:
  - [docker, compose, --project-name, "{{project}}", --file, /srv/compose.yaml, up, --detach]
  - [touch, "it's done"]
env:
  PASSWORD: "{{password}}"
after:
  - http: http://127.0.0.1:3000/health
    expect: { status: healthy }
    times: 3
    within: 1m
undo: [docker, compose, --project-name, "{{project}}", --file, /srv/compose.yaml, stop]
\`\`\`

## See

A person looks.

\`\`\`yaml holdfast
id: see
manual: Log in.
repeatable: looking does no harm
undo: { none: what was seen was seen }
\`\`\`
`;
