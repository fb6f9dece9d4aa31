/** A folder with files of its own, and an environment that leads nowhere else. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

import type { Config } from "../../../src/config/config.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { HoldfastError } from "../../../src/errors.ts";

export interface Workspace {
  readonly folder: string;
  readonly path: (name: string) => string;
  readonly load: (env?: NodeJS.ProcessEnv, file?: string) => Promise<Config>;
  /** The error of loading, which must be one of configuration. */
  readonly failure: (env?: NodeJS.ProcessEnv, file?: string) => Promise<HoldfastError>;
}

/** @param files - name and text; all are made readable by their owner only */
export async function workspace(files: Readonly<Record<string, string>> = {}): Promise<Workspace> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-config-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o600);
  }
  const load: Workspace["load"] = (env = {}, file) => loadConfig({ env: { HOME: folder, PATH: process.env["PATH"], ...env }, cwd: folder, file });
  return {
    folder,
    path: (name) => join(folder, name),
    load,
    failure: async (env, file) => {
      const error: unknown = await load(env, file).then(() => undefined, (thrown: unknown) => thrown);
      if (error instanceof HoldfastError && error.code === "configuration") return error;
      throw new Error(`expected an error of configuration, got ${String(error)}`);
    },
  };
}
