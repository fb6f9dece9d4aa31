/** What the docker scratch asks of Docker's command line. */
import { setTimeout as sleep } from "node:timers/promises";

import { messageOf } from "../../errors.ts";
import { type CommandLine, runTool, ToolFailure } from "../../process/run.ts";
import { processTable } from "../../process/table.ts";
import { isScratchName, type Note, readNote } from "./owner.ts";

/** Labels of everything that a drill makes there; the first says that it is a drill's. */
export const labelMark = "holdfast.drill";
const labelPrefix = "holdfast.";

export function labelsOf(note: Note): string[] {
  return Object.entries(note).flatMap(([name, value]) => ["--label", `${labelPrefix}${name}=${value}`]);
}

/** Milliseconds that Docker gets for one command. */
export const patienceMs = 60_000;

export interface Docker {
  readonly command: CommandLine;
  /** Runs it to its end, whatever is cancelled: what the engine was asked to make must be known before it can be removed. */
  run(...args: string[]): Promise<string>;
}

export function dockerAt(command: CommandLine): Docker {
  return { command, run: async (...args) => (await runTool(command, args, { timeout: patienceMs })).stdout.trim() };
}

/** Why the engine cannot be used; undefined if it answers. */
export async function engineTrouble(docker: Docker): Promise<string | undefined> {
  try {
    await docker.run("version", "--format", "{{.Server.Version}}");
    return undefined;
  } catch (error) {
    if (!(error instanceof ToolFailure)) return messageOf(error);
    if (error.missing) return `Docker is not installed, or not in PATH: ${docker.command[0]}`;
    if (error.timedOut) return "Docker does not answer";
    if (/permission denied/i.test(error.lastLines)) return "this user may not use Docker: permission denied at its socket; run as a member of the group docker, or as root";
    if (/cannot connect|connection refused|is the docker daemon running/i.test(error.lastLines)) return "Docker is installed, but its daemon does not run, or is not where DOCKER_HOST says";
    return `Docker cannot be used: ${error.lastLines || error.message}`;
  }
}

export interface Marked {
  readonly name: string;
  readonly note: Note | undefined;
}

/** Names of the containers and volumes that drills have made, with the notes on them. */
export async function findMarked(docker: Docker): Promise<Marked[]> {
  const filter = ["--filter", `label=${labelMark}`];
  const containers = lines(await docker.run("ps", "--all", "--quiet", ...filter));
  const volumes = lines(await docker.run("volume", "ls", "--quiet", ...filter));
  // One by one: one that has gone in the meantime would fail them all.
  const asked = [
    ...containers.map((id) => docker.run("inspect", "--type", "container", "--format", "[{{json .Name}},{{json .Config.Labels}}]", id)),
    ...volumes.map((name) => docker.run("volume", "inspect", "--format", "[{{json .Name}},{{json .Labels}}]", name)),
  ];
  const found = new Map<string, Note | undefined>();
  for (const answer of await Promise.allSettled(asked)) {
    if (answer.status === "rejected") continue;
    const [path, labels] = JSON.parse(answer.value) as [string, Record<string, string> | null];
    const name = path.replace(/^\//, "");
    const note = readNote(Object.fromEntries(Object.entries(labels ?? {}).map(([label, value]) => [label.slice(labelPrefix.length), value])));
    if (isScratchName(name)) found.set(name, note);
  }
  return [...found].map(([name, note]) => ({ name, note }));
}

/**
 * Removes the container and the volumes of that name. Never rejects.
 * @returns what is still there, looked for afterwards
 */
export async function removeMarked(docker: Docker, name: string): Promise<string[]> {
  const failures: string[] = [];
  const attempt = (...args: string[]): Promise<void> => docker.run(...args).then(
    () => undefined,
    (error: unknown) => { failures.push(error instanceof ToolFailure && error.lastLines !== "" ? error.lastLines : messageOf(error)); },
  );
  await attempt("rm", "--force", "--volumes", name);
  await attempt("volume", "rm", "--force", name);
  try {
    const containers = lines(await docker.run("ps", "--all", "--format", "{{.Names}}", "--filter", `name=${name}`)).filter((found) => found === name);
    const volumes = lines(await docker.run("volume", "ls", "--quiet", "--filter", `name=${name}`)).filter((found) => found === name);
    const left = [...containers.map(() => `container ${name}`), ...volumes.map(() => `volume ${name}`)];
    return left.map((what) => (failures.length === 0 ? what : `${what} (${failures.at(-1) ?? ""})`));
  } catch (error) {
    return [`container ${name} (perhaps: ${(await engineTrouble(docker)) ?? messageOf(error)})`];
  }
}

const orphanMs = 30_000;

/**
 * Waits for what killed drills have still asked the engine to make: it would be there after it was looked for.
 * @param abandoned - whether the drill of that name has ended
 */
export async function awaitOrphans(abandoned: (name: string) => Promise<boolean>): Promise<void> {
  const pollMs = 50;
  for (let waited = 0; waited < orphanMs; waited += pollMs) {
    const names = (await processTable()).flatMap(({ command }) => / (?:run|volume create) .*?(holdfast-drill-\d+-[0-9a-z]+-[0-9a-f]{8})/.exec(command)?.[1] ?? []);
    const orphans = await Promise.all(names.map(abandoned));
    if (!orphans.includes(true)) return;
    await sleep(pollMs);
  }
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
