/** The platform that a database's configuration names. */
import type { DatabaseConfig } from "../../config/config.ts";
import type { PlatformName, RollbackSettings } from "../../config/rollback-settings.ts";
import { HoldfastError } from "../../errors.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { composePlatform } from "../../rollback/platform/compose/compose-platform.ts";
import { databaseOnly } from "../../rollback/platform/database-only.ts";
import { kubernetesPlatform } from "../../rollback/platform/kubernetes/kubernetes-platform.ts";
import type { Platform } from "../../rollback/platform/platform.ts";

/** @throws HoldfastError `configuration` if nothing is known of how the application is deployed */
export function requireRollbackSettings(database: DatabaseConfig): RollbackSettings {
  if (database.rollback !== undefined) return database.rollback;
  throw new HoldfastError("configuration", `nothing is configured about the deployment of ${database.name}`, {
    hints: [`Add databases.${database.name}.rollback to holdfast.yaml: platform, compose or kubernetes, health and migrations. docs/rollback.md shows it whole.`],
  });
}

/**
 * @param asked - as the operator named it with --platform
 * @throws HoldfastError `configuration` if it is not configured
 */
export function configuredPlatform(database: DatabaseConfig, asked?: PlatformName): Platform {
  const { platform, compose, kubernetes } = requireRollbackSettings(database);
  const chosen = asked ?? platform;
  if (chosen === "compose" && compose !== undefined) return composePlatform(compose);
  if (chosen === "kubernetes" && kubernetes !== undefined) return kubernetesPlatform(kubernetes);
  if (chosen === "none") return databaseOnly(parseDatabaseUrl(database.url).database ?? database.name);
  throw new HoldfastError("configuration", chosen === undefined ? `no platform is configured for ${database.name}` : `the platform is ${chosen}, but databases.${database.name}.rollback.${chosen} is missing`, {
    hints: [`Configure databases.${database.name}.rollback; \`platform: none\` rolls back the database only.`],
  });
}
