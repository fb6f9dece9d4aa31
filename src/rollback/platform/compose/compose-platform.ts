/** Docker Compose, always with its project and files named. */
import type { ComposeSettings } from "../../../config/rollback-settings.ts";
import type { Platform } from "../platform.ts";

export function composePlatform(settings: ComposeSettings): Platform {
  throw new Error(`not built: ${settings.project}`);
}
