/** A runbook to begin with: it passes its own check, and every part says what it is for. */
import type { Runbook } from "./runbook.ts";

interface Skeleton {
  readonly input: string;
  readonly look: string;
  readonly lookAfter: string;
  readonly act: string;
  readonly after: string;
  readonly undo: string;
}

const database: Skeleton = {
  input: `  copy:
    type: name
    description: Name of the database that is made beside the live one.
    default: rescue`,
  look: "[holdfast, backup, verify, latest, --level, hash]",
  lookAfter: "[holdfast, backup, show, latest]",
  act: '[holdfast, restore, latest, --into, "{{copy}}", --reason, rehearsing a runbook]',
  after: `- run: [psql, --no-psqlrc, -v, ON_ERROR_STOP=1, -At, --dbname, "{{copy}}"]
    stdin: SELECT 'there'
    stdout: { equals: there }`,
  undo: `
  run: [psql, --no-psqlrc, -v, ON_ERROR_STOP=1, -v, "copy={{copy}}", --dbname, postgres]
  stdin: DROP DATABASE IF EXISTS :"copy"`,
};

const compose: Skeleton = {
  input: `  project:
    type: name
    description: The Compose project.
  file:
    type: path
    description: Its Compose file.`,
  look: '[docker, compose, --project-name, "{{project}}", --file, "{{file}}", ps]',
  lookAfter: '[docker, compose, --project-name, "{{project}}", --file, "{{file}}", config, --quiet]',
  act: '[docker, compose, --project-name, "{{project}}", --file, "{{file}}", up, --detach, --wait, --pull, never]',
  after: `- run: [docker, compose, --project-name, "{{project}}", --file, "{{file}}", ps, --quiet, --status, running]
    stdout: { matches: "[0-9a-f]" }
    within: 1m`,
  undo: ' [docker, compose, --project-name, "{{project}}", --file, "{{file}}", stop]',
};

const kubernetes: Skeleton = {
  input: `  context:
    type: name
    description: Context of the kubeconfig.
  namespace:
    type: name
    description: Namespace of the application.
  deployment:
    type: name
    description: The Deployment.
  revision:
    type: integer
    description: Revision to go back to; \`kubectl rollout history\` lists them.
  current:
    type: integer
    description: Revision that runs now, to come back to.`,
  look: '[kubectl, --context, "{{context}}", --namespace, "{{namespace}}", rollout, history, "deployment/{{deployment}}", "--revision={{revision}}"]',
  lookAfter: '[kubectl, --context, "{{context}}", --namespace, "{{namespace}}", get, "deployment/{{deployment}}"]',
  act: '[kubectl, --context, "{{context}}", --namespace, "{{namespace}}", rollout, undo, "deployment/{{deployment}}", "--to-revision={{revision}}"]',
  after: `- run: [kubectl, --context, "{{context}}", --namespace, "{{namespace}}", rollout, status, "deployment/{{deployment}}", --timeout=2m]`,
  undo: ' [kubectl, --context, "{{context}}", --namespace, "{{namespace}}", rollout, undo, "deployment/{{deployment}}", "--to-revision={{current}}"]',
};

const skeletons: Readonly<Record<Runbook["platform"], Skeleton>> = { compose, kubernetes, none: database, any: database };

/** @param today - the date of its first review */
export function runbookSkeleton(id: string, platform: Runbook["platform"], owner: string, today: Date): string {
  const { input, look, lookAfter, act, after, undo } = skeletons[platform];
  return `---
# What this is, for the list of runbooks. \`holdfast runbook check\` says when the review is older than half a year.
id: ${id}
title: ${title(id)}
platform: ${platform}
severity: SEV-2
owner: ${owner}
lastReviewed: ${today.toISOString().slice(0, 10)}
# What must be so before anybody begins.
preconditions:
  - Somebody decided that this is the runbook to follow.
# What the person gives: text, integer, boolean, path, url, name or choice. \`secret: true\` is read from a file and may
# stand in env and stdin only.
inputs:
${input}
---

# ${title(id)}

When to follow this, and when not to.

## Look before anything is changed

Say what should be seen here, and what to do if it is not.

\`\`\`yaml holdfast
id: look
# A list of words, never a line for a shell. \`holdfast\` is this very holdfast.
run: ${look}
# What must hold afterwards; also \`before\`.
after:
  - run: ${lookAfter}
# It may be done again after an interruption, because:
repeatable: it only reads
# How it is taken back: a command, { none: REASON }, or nothing, for a step that changes nothing.
undo: nothing
\`\`\`

## Do it

Say what is going to happen, to whom, and for how long.

\`\`\`yaml holdfast
id: act
# Asks before it is done.
confirm: true
run: ${act}
# What must hold afterwards. After an interruption this tells whether the step was done.
after:
  ${after}
undo:${undo}
\`\`\`

## See for yourself

Say where to look, and what it looks like when it is good.

\`\`\`yaml holdfast
id: see
# A person does this, and answers.
manual: Open the application and look for what was missing.
repeatable: looking does no harm
undo: nothing
\`\`\`
`;
}

const title = (id: string): string => `${id.charAt(0).toUpperCase()}${id.slice(1).replaceAll("-", " ")}`;
