/**
 * Flags from the environment, read as the configuration's own variables are. oclif alone would take `on` for false,
 * count a boolean that is set to `0` as given, and hand a list over as one text.
 */
import { HoldfastError } from "../errors.ts";

/** What of a flag's definition matters here. */
export interface FlagShape {
  readonly type: string;
  readonly env?: string | undefined;
  readonly multiple?: boolean | undefined;
}

const yes = /^(?:true|yes|on|1|y)$/i;
const no = /^(?:false|no|off|0|n)$/i;

/**
 * The environment as the parser should see it: a boolean is `true` or absent.
 * @throws HoldfastError `usage` for a boolean that is neither yes nor no
 */
export function booleanVariables(flags: Readonly<Record<string, FlagShape>>, env: NodeJS.ProcessEnv): Map<string, "true" | undefined> {
  const read = new Map<string, "true" | undefined>();
  for (const { type, env: name } of Object.values(flags)) {
    const text = name === undefined ? undefined : env[name]?.trim();
    if (type !== "boolean" || name === undefined || text === undefined) continue;
    if (text !== "" && !yes.test(text) && !no.test(text)) {
      throw new HoldfastError("usage", `${name} is ${JSON.stringify(text)}, but must be true or false`, { hints: [`Set ${name} to true or false, or unset it.`] });
    }
    read.set(name, yes.test(text) ? "true" : undefined);
  }
  return read;
}

/** A list that came from the environment, as one text with commas, as the list that it is. */
export function splitList(value: unknown): unknown {
  return typeof value === "string" ? value.split(",").map((item) => item.trim()).filter((item) => item !== "") : value;
}
