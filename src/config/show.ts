/** The configuration as `config show` prints it. */
import { redact } from "../process/redact.ts";
import type { Config } from "./config.ts";
import { anyName, fields } from "./fields.ts";
import { maskUrl } from "./secrets.ts";

export interface ShownSetting {
  /** Dotted path: `databases.ehr.url`. */
  readonly name: string;
  /** null where nothing is set; secrets as `***`. */
  readonly value: unknown;
  /** `default`, `file`, or the environment variable's name. */
  readonly from: string;
}

export interface ShownConfig {
  readonly source: string | null;
  readonly settings: readonly ShownSetting[];
  readonly warnings: readonly string[];
}

/** Every setting with its origin, secrets masked. */
export function showConfig(config: Config): ShownConfig {
  const settings = fields.flatMap((field) => {
    const names = field.path.includes(anyName) ? [...config.databases.keys()] : [undefined];
    return names.map((name): ShownSetting => {
      const path = field.path.map((key) => (key === anyName ? (name ?? key) : key));
      return { name: path.join("."), value: shown(valueAt(config, [...path.slice(0, -1), ...(field.at?.split(".") ?? path.slice(-1))]), field.secret), from: config.origins?.get(path.join(".")) ?? "default" };
    });
  });
  const byDatabase = [...config.databases.keys()];
  const rank = ({ name }: ShownSetting): number => (name.startsWith("databases.") ? byDatabase.indexOf(name.split(".")[1] ?? "") : byDatabase.length);
  return { source: config.source ?? null, settings: settings.toSorted((a, b) => rank(a) - rank(b)), warnings: config.warnings };
}

function valueAt(config: Config, path: readonly string[]): unknown {
  let value: unknown = config;
  for (const key of path) {
    if (value instanceof Map) value = value.get(key);
    else if (typeof value === "object" && value !== null) value = Reflect.get(value, key);
    else return undefined;
  }
  return value;
}

function shown(value: unknown, secret: "url" | "whole" | undefined): unknown {
  if (value === undefined) return null;
  if (secret === "whole") return "***";
  if (typeof value === "string") return secret === "url" ? maskUrl(value) : redact(value);
  if (Array.isArray(value)) return value.map((item) => shown(item, secret));
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shown(inner, secret)])) : value;
}
