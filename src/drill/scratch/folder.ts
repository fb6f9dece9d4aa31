/** The private folder of a scratch on this machine, and the processes that work in it. */
import { lstat, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import type { ProviderName } from "../../config/drill-settings.ts";
import { HoldfastError, messageOf, systemCodeOf } from "../../errors.ts";
import { type ProcessEntry, processTable } from "../../process/table.ts";
import { isAbandoned, isScratchName, type Note, type Onlooker, ownerOf, readNoteText } from "./owner.ts";
import type { Leftover } from "./scratch.ts";

const noteFile = "scratch.json";

/** Makes a folder that nobody else may enter, with the note in it. @throws HoldfastError `drill-unverified` */
export async function makeFolder(parent: string, name: string, provider: ProviderName, note: Note): Promise<string> {
  const folder = join(parent, name);
  try {
    await mkdir(folder, { mode: 0o700 });
    await writeFile(join(folder, noteFile), `${JSON.stringify({ provider, ...note })}\n`, { mode: 0o600 });
  } catch (error) {
    throw new HoldfastError("drill-unverified", `no scratch folder can be made in ${parent}: ${messageOf(error)}`, {
      hints: ["Name a temporary folder with room in it with HOLDFAST_TEMP_DIR."],
      cause: error,
    });
  }
  return folder;
}

/**
 * Ends what works in a folder and removes it. Never rejects.
 * @returns what is still there, looked for afterwards
 */
export async function removeFolder(folder: string): Promise<string[]> {
  const name = folder.split("/").at(-1) ?? folder;
  const failure = await endProcesses(name)
    .then(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
    .then(() => undefined, (error: unknown) => messageOf(error));
  const left = await processesOf(name).catch(() => []);
  const there = await lstat(folder).then(() => true, (error: unknown) => systemCodeOf(error) !== "ENOENT");
  return [
    ...left.map(({ pid, program }) => `process ${pid} (${program})`),
    ...(there ? [`folder ${folder}${failure === undefined ? "" : ` (${failure})`}`] : []),
  ];
}

/** Programs that a scratch is made with; whoever else names its folder (an editor, a pager) is only looking. */
const servers = new Set(["initdb", "pg_ctl", "postgres", "sh"]);
const clients = new Set(["psql", "pg_restore", "pg_dump", "pg_dumpall"]);

/** The processes of a scratch: of its server, its clients, and the application that was tried on it. */
export async function processesOf(name: string): Promise<ProcessEntry[]> {
  return (await processTable()).filter(({ pid, program, command, folder, environment }) => {
    if (pid === process.pid) return false;
    const isIn = (text: string | undefined): boolean => text?.includes(name) === true;
    // A server's own processes overwrite their arguments, but stay in its folder.
    if (servers.has(program) && (isIn(command) || isIn(folder))) return true;
    if (clients.has(program) && (isIn(environment.get("PGHOST")) || isIn(environment.get("PGAPPNAME")))) return true;
    return isIn(environment.get("DATABASE_URL"));
  });
}

const patienceMs = 15_000;
const pollMs = 25;

/**
 * Ends the processes of a scratch. Servers are told to stop at once, because one that is killed leaves shared memory behind;
 * so does what initdb runs, which ends by itself in seconds. Who does not end in time is killed.
 */
export async function endProcesses(name: string): Promise<void> {
  const started = performance.now();
  const told = new Set<number>();
  // Twice in a row, because one may be missed while it becomes another.
  for (let quiet = 0; quiet < 2; ) {
    await sleep(pollMs);
    const found = await processesOf(name);
    quiet = found.length === 0 ? quiet + 1 : 0;
    const waited = performance.now() - started;
    if (waited > 2 * patienceMs) return;
    const initialising = found.some(({ program }) => program === "initdb");
    for (const { pid, program, command } of found) {
      if (waited > patienceMs) signal(pid, "SIGKILL");
      else if (!servers.has(program)) signal(pid, "SIGKILL");
      else if (isServer(program, command) && !initialising && !told.has(pid)) {
        told.add(pid);
        signal(pid, "SIGQUIT");
      }
    }
  }
}

/** The server itself: not one of its processes, and not what initdb runs. */
function isServer(program: string, command: string): boolean {
  return program === "postgres" && / -D ?/.test(command) && !/ --(?:boot|single|check)\b/.test(command);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended, or belongs to somebody else: whoever looks afterwards will see.
  }
}

/** The scratch folders in `parent` that are ours to remove; of every provider that makes one. */
export async function foldersIn(parent: string, onlooker: Onlooker): Promise<Leftover[]> {
  const names = (await readdir(parent).catch(() => [])).filter(isScratchName);
  const found = await Promise.all(names.map(async (name): Promise<Leftover | undefined> => {
    const folder = join(parent, name);
    const stat = await lstat(folder).catch(() => undefined);
    const uid = process.getuid?.();
    if (stat?.isDirectory() !== true || (uid !== 0 && uid !== undefined && stat.uid !== uid)) return undefined;
    const text = await readFile(join(folder, noteFile), "utf8").catch(() => "");
    const note = readNoteText(text);
    const provider = note !== undefined && text.includes('"provider":"docker"') ? "docker" : "local";
    return { provider, name: folder, owner: note && ownerOf(note), abandoned: await isAbandoned(name, note, onlooker), remove: () => removeFolder(folder) };
  }));
  return found.filter((leftover) => leftover !== undefined);
}
