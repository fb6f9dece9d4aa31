/** What a rehearsal makes on a Docker engine, how it is found again, and that it is gone. */
import { messageOf } from "../../../errors.ts";
import { type CommandLine, runTool, ToolFailure } from "../../../process/run.ts";
import { type Labels, rehearsalLabel, rehearsalMark } from "../mark.ts";

export interface Engine {
  readonly command: CommandLine;
  /** Runs it to its end, whatever is cancelled: what the engine was asked to make must be known before it can be removed. */
  run(...args: string[]): Promise<string>;
  /** As {@link run}, with this on its stdin. */
  feed(input: string, ...args: string[]): Promise<string>;
}

const patienceMs = 60_000;

/** @param command - Docker's command line with its context: `["docker"]`, `["docker", "--context", "ward"]` */
export function engineAt(command: CommandLine): Engine {
  return {
    command,
    run: async (...args) => (await runTool(command, args, { timeout: patienceMs })).stdout.trim(),
    feed: async (input, ...args) => (await runTool(command, args, { timeout: patienceMs, input })).stdout.trim(),
  };
}

/**
 * Makes the network of a rehearsal. It is internal, and has no address of this host on it: through that address of an
 * ordinary internal network, everything that listens on this host can be reached.
 */
export async function makeNetwork(engine: Engine, project: string, labels: Labels): Promise<void> {
  const marks = Object.entries({ ...labels, [rehearsalLabel]: project }).flatMap(([name, value]) => ["--label", `${name}=${value}`]);
  await engine.run("network", "create", "--driver", "bridge", "--internal", "--opt", "com.docker.network.bridge.inhibit_ipv4=true", ...marks, project);
}

export interface FoundRehearsal {
  readonly project: string;
  readonly labels: Labels;
}

/** Every project of a rehearsal of which something is there. @throws ToolFailure if the engine cannot be asked */
export async function findRehearsals(engine: Engine): Promise<FoundRehearsal[]> {
  const filter = ["--filter", `label=${rehearsalLabel}`];
  const containers = lines(await engine.run("ps", "--all", "--quiet", ...filter));
  const networks = lines(await engine.run("network", "ls", "--quiet", ...filter));
  // One by one: one that has gone in the meantime would fail them all.
  const answers = await Promise.allSettled([
    ...containers.map((id) => engine.run("inspect", "--type", "container", "--format", "{{json .Config.Labels}}", id)),
    ...networks.map((id) => engine.run("network", "inspect", "--format", "{{json .Labels}}", id)),
  ]);
  const found = new Map<string, Labels>();
  for (const answer of answers) {
    if (answer.status === "rejected") continue;
    const labels = JSON.parse(answer.value) as Labels;
    const project = labels[rehearsalLabel];
    if (project?.startsWith(rehearsalMark) === true) found.set(project, labels);
  }
  return [...found].map(([project, labels]) => ({ project, labels }));
}

/** Removes the containers of a rehearsal with their volumes. Never rejects. */
export async function removeContainers(engine: Engine, project: string): Promise<void> {
  const ids = await engine.run("ps", "--all", "--quiet", "--filter", `label=${rehearsalLabel}=${project}`).then(lines, () => []);
  if (ids.length > 0) await engine.run("rm", "--force", "--volumes", ...ids).catch(() => undefined);
}

/**
 * Removes everything of a rehearsal. Never rejects. What else is on its network, as the scratch, is to be removed before.
 * @returns what is still there, looked for afterwards
 */
export async function removeRehearsal(engine: Engine, project: string): Promise<string[]> {
  await removeContainers(engine, project);
  const failure = await engine.run("network", "rm", project).then(() => undefined, (error: unknown) => (error instanceof ToolFailure && error.lastLines !== "" ? error.lastLines : messageOf(error)));
  try {
    const containers = lines(await engine.run("ps", "--all", "--format", "{{.Names}}", "--filter", `label=${rehearsalLabel}=${project}`));
    const networks = lines(await engine.run("network", "ls", "--format", "{{.Name}}", "--filter", `name=${project}`)).filter((name) => name === project);
    return [...containers.map((name) => `container ${name}`), ...networks.map((name) => `network ${name}${failure === undefined ? "" : ` (${failure})`}`)];
  } catch (error) {
    return [`project ${project} (perhaps: ${messageOf(error)})`];
  }
}

export function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
