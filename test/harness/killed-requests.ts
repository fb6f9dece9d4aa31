/** Kills a holdfast that talks to a bucket around one of its requests: the wire is where a bucket's changes begin. */
import { execa } from "execa";
import { join } from "node:path";

import type { Bench } from "./context.ts";
import { s3Server } from "./s3.ts";
import { startProxy } from "./wire.ts";

const starter = join(import.meta.dirname, "..", "..", "bin", "dev.js");

export interface Kill {
  /** Of the request's first line: `DELETE /bucket/prefix/ehr/backups/…`. */
  readonly request: RegExp;
  /** Which of those, from 1. */
  readonly at: number;
  /** `before`: the server never gets that request. `after`: it gets what was sent of it, and its answer reaches nobody. */
  readonly when: "before" | "after";
}

export interface KilledRun {
  readonly killed: boolean;
  /** How many such requests were sent. */
  readonly requests: number;
}

/**
 * Runs `args` on the bench's repository, whose location is a bucket, through a proxy that pulls the plug.
 * @throws Error if the run ends by itself and not well
 */
export async function killedAtRequest({ folder, context: { config } }: Bench, args: readonly string[], { request, at, when }: Kill, more: Readonly<Record<string, string>> = {}): Promise<KilledRun> {
  const { endpoint, credentials } = await s3Server();
  let requests = 0;
  const proxy = await startProxy(endpoint, {
    sees: (bytes) => {
      if (!request.test(bytes.subarray(0, 2_000).toString("latin1").split("\r\n")[0] ?? "")) return;
      requests += 1;
      if (requests !== at) return;
      if (when === "before") proxy.hang();
      child.kill("SIGKILL");
    },
  });
  const env = {
    PATH: process.env["PATH"], HOME: folder, DATABASE_URL: config.databases.get("ehr")?.url, HOLDFAST_DATABASE: "ehr", HOLDFAST_REPOSITORY: config.repository?.url.replace(endpoint, proxy.endpoint),
    AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey, HOLDFAST_RECIPIENTS: config.recipients.join(","),
    HOLDFAST_SIGNING_KEY_FILE: config.signingKeyFile, HOLDFAST_STATE_DIR: config.stateDir, ...more,
  };
  const child = execa(process.execPath, [starter, ...args], { env, extendEnv: false, cwd: folder, reject: false, stdin: "ignore" });
  const { exitCode, signal, stderr } = await child;
  await proxy.cut();
  if (signal !== "SIGKILL" && exitCode !== 0) throw new Error(`holdfast ${args.join(" ")} exited with ${exitCode ?? signal ?? "nothing"}\n${stderr}`);
  return { killed: signal === "SIGKILL", requests };
}
