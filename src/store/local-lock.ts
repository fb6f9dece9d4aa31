/**
 * Lets one process at a time change a key of a folder store, for the milliseconds that reading, comparing and renaming
 * take. Works between processes and containers of one machine, and survives a holder that was killed.
 *
 * Each contender puts a file of its own into the key's lock folder and then looks for others: of two that come at once,
 * at least the later one sees the other and withdraws. Names are unique, so removing a dead contender's file can never
 * remove a living one's.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { mkdir, open, readdir, rmdir, stat, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { HoldfastError, systemCodeOf } from "../errors.ts";
import { reserved } from "./keys.ts";

/** A contender this old is dead, whatever its process says: nobody holds the lock for more than milliseconds. */
const deadAfterMs = 60_000;
const patienceMs = 30_000;

/** Runs `work` while no other process runs one for the same file. The file's folder must exist, or `work` must make it. */
export async function withFileLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const folder = join(dirname(file), `${reserved.lock}${basename(file)}`);
  const mine = `${processSpace()}-${process.pid}-${randomBytes(6).toString("hex")}`;
  const until = Date.now() + patienceMs;
  while (!(await contend(folder, mine))) {
    if (Date.now() > until) throw new HoldfastError("store-failed", `${folder} has been held by other processes for ${patienceMs / 1000} s`);
    await sleep(1 + Math.random() * 10);
  }
  try {
    return await work();
  } finally {
    await withdraw(folder, mine);
  }
}

async function contend(folder: string, mine: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await (await open(join(folder, mine), "wx", 0o600)).close();
    for (const name of await readdir(folder)) {
      if (name === mine) continue;
      if (await isAlive(folder, name)) {
        await withdraw(folder, mine);
        return false;
      }
      await removeFile(join(folder, name));
    }
    return true;
  } catch (error) {
    // Somebody removed the empty folder meanwhile.
    if (systemCodeOf(error) === "ENOENT") return false;
    await withdraw(folder, mine);
    throw error;
  }
}

async function withdraw(folder: string, mine: string): Promise<void> {
  await removeFile(join(folder, mine));
  // Others may be in it; the last one removes it.
  await rmdir(folder).catch(() => undefined);
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (systemCodeOf(error) !== "ENOENT") throw error;
  });
}

async function isAlive(folder: string, name: string): Promise<boolean> {
  const [space, pid] = name.split("-");
  if (space === processSpace() && !processExists(Number(pid))) return false;
  const since = await stat(join(folder, name)).then((found) => found.mtimeMs, () => 0);
  return Date.now() - since < deadAfterMs;
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) === "EPERM";
  }
}

let space: string | undefined;

/** Within which a process id means one process: this boot and this pid namespace, or the host where /proc is not to be had. */
function processSpace(): string {
  space ??= ((): string => {
    try {
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 8);
      return `${boot}_${readlinkSync("/proc/self/ns/pid").replace(/\D/g, "")}`;
    } catch {
      return hostname().replace(/[^A-Za-z0-9]/g, "_");
    }
  })();
  return space;
}
