/** What no command of a runbook may do: go through a shell, act on whatever happens to be the default, or show a secret. */
import { placeholdersOf } from "./placeholders.ts";
import type { Check, Command, Problem, Runbook, RunbookStep } from "./runbook.ts";

interface Placed {
  readonly command: Command;
  readonly path: readonly PropertyKey[];
}

/** Every command of a step, those of its checks and of its undo too. */
export function commandsOf(step: RunbookStep): Placed[] {
  const ofChecks = (name: "before" | "after", checks: readonly Check[]): Placed[] => checks.flatMap((check, n) => {
    if (check.kind === "http") return [];
    return [check.command, ...(check.stdout.same ? [check.stdout.same] : [])].map((command) => ({ command, path: [name, n] }));
  });
  return [
    ...step.run.map((command) => ({ command, path: ["run"] })),
    ...ofChecks("before", step.before),
    ...ofChecks("after", step.after),
    ...(step.undo?.kind === "commands" ? step.undo.commands.map((command) => ({ command, path: ["undo"] })) : []),
  ];
}

export function commandProblems(runbook: Runbook, step: RunbookStep): Problem[] {
  const secrets = [...runbook.inputs.values()].flatMap(({ name, secret }) => (secret ? [name] : []));
  const problems = commandsOf(step).flatMap(({ command, path }) => command.argv.flatMap((words) => [...brokenRules(words), ...secretRules(words, secrets), ...(words[0] === "psql" ? scriptRules(command, secrets) : [])])
    .map(([rule, message]): Problem => ({ line: step.lineOf(path), severity: "error", rule, message: `step ${step.id}: ${message}` })));
  const shown = [...step.before, ...step.after].flatMap((check) => (check.kind === "http" ? placeholdersOf(check.url) : [])).filter((name) => secrets.includes(name));
  return [...problems, ...shown.map((name): Problem => ({ line: step.line, severity: "error", rule: "secret", message: `step ${step.id}: the secret ${name} stands in a URL, which logs show` }))];
}

type Broken = readonly [rule: string, message: string];

const base = (word: string): string => word.split("/").at(-1) ?? word;
const shells = new Set(["sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"]);

function brokenRules(words: readonly [string, ...string[]]): Broken[] {
  const broken: Broken[] = [];
  const [program, ...args] = words;
  if (placeholdersOf(program).length > 0) broken.push(["program", `the program itself is an input (${program}), so it could be any`]);
  const shell = words.findIndex((word) => shells.has(base(word)));
  if (shell >= 0 && words.slice(shell + 1).some((word) => /^-[a-z]*c$/.test(word))) broken.push(["shell", `${base(words[shell] ?? "")} -c is a shell: give the words of the command themselves, and joined commands as \`pipe\``]);
  else if (base(program) === "eval" || /[|;&<>`]|\$\(/.test(program)) broken.push(["shell", `${program} is for a shell: a list of words is run, and no line`]);
  if (program === "holdfast" && args[0] === "rollback" && gives(args, "--runbook")) broken.push(["loop", "a runbook that executes a runbook would wait for itself: put the steps into this one"]);
  return [...broken, ...ambient(base(program), args)];
}

const gives = (args: readonly string[], ...flags: readonly string[]): boolean => args.some((arg) => flags.some((flag) => arg === flag || arg.startsWith(`${flag}=`)));

/** Before the first `--`: what comes after it is somebody else's. */
const own = (args: readonly string[]): readonly string[] => (args.includes("--") ? args.slice(0, args.indexOf("--")) : args);

function ambient(program: string, all: readonly string[]): Broken[] {
  const args = own(all);
  const lacks = (flags: string, what: string): Broken => ["ambient", `${what} without ${flags} acts on whatever is the default of the moment`];
  if (program === "docker-compose") return [["ambient", "docker-compose is version 1, which reports success for what it does not know: use docker compose"]];
  if (program === "kubectl") {
    return [...(gives(args, "--context") ? [] : [lacks("--context", "kubectl")]), ...(gives(args, "--namespace", "-n") ? [] : [lacks("--namespace", "kubectl")])];
  }
  if (program === "docker" && args.includes("compose")) {
    return [...(gives(args, "--project-name", "-p") ? [] : [lacks("--project-name", "docker compose")]), ...(gives(args, "--file", "-f") ? [] : [lacks("--file", "docker compose")])];
  }
  if (["psql", "pg_dump", "pg_restore"].includes(program)) {
    return [
      ...(gives(args, "--dbname", "-d") ? [] : [lacks("--dbname", program)]),
      ...(program === "psql" && !args.some((arg) => arg.endsWith("ON_ERROR_STOP=1")) ? [["ambient", "psql without -v ON_ERROR_STOP=1 exits with 0 after an error"] as const] : []),
      ...(program === "psql" && !args.some((arg) => /^-[A-Za-z]*X/.test(arg) || arg === "--no-psqlrc") ? [["ambient", "psql without --no-psqlrc does what somebody's file says"] as const] : []),
    ];
  }
  return [];
}

function secretRules(words: readonly string[], secrets: readonly string[]): Broken[] {
  const shown = words.flatMap((word) => placeholdersOf(word)).filter((name) => secrets.includes(name));
  return [...new Set(shown)].map((name) => ["secret", `the secret ${name} stands among the arguments, which every user of the host can see: hand it over by env or stdin`]);
}

/** SQL is put together by psql's own quoting, not by pasting. */
function scriptRules({ argv, stdin }: Command, secrets: readonly string[]): Broken[] {
  const inScript = placeholdersOf(stdin ?? "").filter((name) => !secrets.includes(name));
  const words = argv[0];
  const inCommand = words.flatMap((word, at) => (/^(?:--command$|-[A-Za-z]*c$)/.test(words[at - 1] ?? "") || word.startsWith("--command=") ? placeholdersOf(word) : []));
  return [...new Set([...inScript, ...inCommand])].map((name) => ["sql", `{{${name}}} stands in SQL, unquoted: pass it with -v ${name}={{${name}}}, and write :"${name}" or :'${name}' into stdin`]);
}
