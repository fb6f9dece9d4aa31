/** Rehearsals in processes of their own, so that they can be killed. */
import { execa } from "execa";
import { writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

import type { Bench } from "./context.ts";

const starter = join(import.meta.dirname, "..", "..", "bin", "dev.js");

export type Holdfast = Awaited<ReturnType<typeof commandLine>>;

/**
 * The bench's configuration for processes of their own.
 * @param database - what the file says of the database beside its URL
 */
export async function commandLine({ folder, context: { config } }: Bench, database: object) {
  await writeFile(join(folder, "holdfast.yaml"), JSON.stringify({ databases: { ehr: { url: config.databases.get("ehr")!.url, digests: "all", ...database } } }));
  const env = {
    PATH: process.env["PATH"], HOME: folder, DOCKER_CONFIG: join(homedir(), ".docker"), HOLDFAST_REPOSITORY: config.repository!.url, HOLDFAST_IDENTITY_FILE: config.identityFile,
    HOLDFAST_SIGNING_KEY_FILE: config.signingKeyFile, HOLDFAST_TRUSTED_SIGNERS: config.trustedSigners, HOLDFAST_STATE_DIR: config.stateDir, HOLDFAST_TEMP_DIR: folder,
  };
  return (...args: string[]) => execa(process.execPath, [starter, ...args], { env, extendEnv: false, cwd: folder, reject: false, stdin: "ignore" });
}

/** A rehearsal that is killed some milliseconds after a step of it began. @returns its process id @throws if it ended by itself */
export async function killRehearsal(holdfast: Holdfast, step: string, delayMs: number): Promise<number> {
  const running = holdfast("rollback", "rehearse", "--log-format", "json");
  let heard = "";
  running.stderr.on("data", (chunk: Buffer) => {
    if (heard.includes(`"step-started","step":"${step}"`)) return;
    heard += chunk.toString();
    if (heard.includes(`"step-started","step":"${step}"`)) setTimeout(() => running.kill("SIGKILL"), delayMs);
  });
  const { signal } = await running;
  if (signal !== "SIGKILL" || running.pid === undefined) throw new Error(`it was not killed in ${step}: ${heard}`);
  return running.pid;
}
