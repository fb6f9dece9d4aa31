/** Which of the configured repositories is meant: the primary, a copy by its name, or a location that is configured nowhere. */
import type { Config, CopyConfig } from "../config/config.ts";
import { primaryName } from "../config/copies-schema.ts";
import { HoldfastError } from "../errors.ts";

export interface NamedRepository {
  /** Its name, or the location as it was written. */
  readonly name: string;
  readonly settings: CopyConfig;
}

/**
 * The repository that `name` means: `primary`, a copy's name, or a file: or s3: location.
 * @throws HoldfastError `not-found` if nothing is configured under that name
 */
export function repositoryNamed({ repository, copies }: Config, name: string): NamedRepository {
  const settings = /^(?:file|s3):\/\//.test(name) ? { url: name } : (copies?.get(name) ?? (name === primaryName ? repository : undefined));
  if (settings !== undefined) return { name, settings };
  const names = [...new Set([...(repository ? [primaryName] : []), ...(copies?.keys() ?? [])])];
  throw new HoldfastError("not-found", `no repository ${name} is configured; there ${names.length === 1 ? "is" : "are"} ${names.join(", ") || "none"}`, {
    hints: ["Name one of these, or a location that begins with file:// or s3://; `holdfast config show` lists the copies."],
  });
}

/** The configuration as seen from another of its repositories: that one is the one that is meant wherever none is named. */
export function standingAt(config: Config, name: string | undefined): Config {
  if (name === undefined) return config;
  const { settings } = repositoryNamed(config, name);
  const copies = new Map(config.copies);
  // The way back: `repository copy --from offsite --to primary`.
  if (config.repository) copies.set(primaryName, config.repository);
  const { retention, ...repository } = settings;
  const databases = retention === undefined ? config.databases : new Map([...config.databases].map(([key, database]) => [key, { ...database, retention }]));
  return { ...config, repository, databases, copies };
}
