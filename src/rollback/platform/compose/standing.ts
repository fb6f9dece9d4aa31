/** What stands beside the services and decides with them how they run: the project's files, and the files that services mount. Only hashes of it are kept. */
import { readFile, stat } from "node:fs/promises";
import { z } from "zod";

import type { ComposeSettings } from "../../../config/rollback-settings.ts";
import { HoldfastError, messageOf } from "../../../errors.ts";
import type { SettingState } from "../platform.ts";
import { sha256Of } from "./canonical.ts";
import type { Hash } from "./conceal.ts";
import type { Model, Service } from "./model.ts";

/** Such a file may hold one short secret and nothing else, which a plain hash would give away: each guess costs as much as for a value. */
const slowly = (content: string | Uint8Array, hash: Hash): string => hash(sha256Of(content)).replace("scrypt:", "");

/** @throws HoldfastError `configuration` for one that cannot be read */
export async function fileStates(settings: ComposeSettings, envFiles: readonly string[], hash: Hash): Promise<SettingState[]> {
  const read = async (file: string): Promise<Buffer> => {
    try {
      return await readFile(file);
    } catch (error) {
      throw new HoldfastError("configuration", `the file ${file} of project ${settings.project} cannot be read: ${messageOf(error)}`, { cause: error });
    }
  };
  const files = settings.files.map(async (name): Promise<SettingState> => ({ kind: "compose-file", name, sha256: sha256Of(await read(name)) }));
  const variables = envFiles.map(async (name): Promise<SettingState> => ({ kind: "env-file", name, sha256: slowly(await read(name), hash) }));
  return Promise.all([...files, ...variables]);
}

const sources = z.array(z.looseObject({ source: z.string() })).nullish().catch(null);
const binds = z.array(z.looseObject({ type: z.string(), source: z.string().optional() })).nullish().catch(null);
const definition = z.looseObject({ file: z.string().optional().catch(undefined), content: z.string().optional().catch(undefined) });

/** What is longer is data, not configuration. */
const longest = 2 ** 20;

/** Configurations, secrets and single files that the services of the release mount, as this host has them. One that cannot be read is left out. */
export async function mountedStates(model: Model, { services }: Pick<ComposeSettings, "services">, hash: Hash): Promise<SettingState[]> {
  const files = new Set<string>();
  const texts = new Map<string, string>();
  const define = (kind: "configs" | "secrets", service: Service): void => {
    for (const { source } of sources.parse(service[kind]) ?? []) {
      const { file, content } = definition.parse(model[kind]?.[source] ?? {});
      if (file !== undefined) files.add(file);
      else if (content !== undefined) texts.set(`${kind}.${source}`, content);
    }
  };
  for (const service of services.flatMap((name): Service[] => (model.services[name] === undefined ? [] : [model.services[name]]))) {
    define("configs", service);
    define("secrets", service);
    for (const { type, source } of binds.parse(service["volumes"]) ?? []) if (type === "bind" && source !== undefined) files.add(source);
  }
  const read = await Promise.all([...files].map(async (name) => ({ name, content: await shortFile(name) })));
  const found = [...read, ...[...texts].map(([name, content]) => ({ name, content }))];
  return found.flatMap(({ name, content }): SettingState[] => (content === undefined ? [] : [{ kind: "mounted", name, sha256: slowly(content, hash) }]));
}

/** Undefined for a folder, a socket, one that is long, and one that is not there or not to be read. */
async function shortFile(path: string): Promise<Buffer | undefined> {
  try {
    const facts = await stat(path);
    return facts.isFile() && facts.size <= longest ? await readFile(path) : undefined;
  } catch {
    return undefined;
  }
}
