/** Kubernetes by kubectl, always with its context and namespace named. */
import type { KubernetesSettings } from "../../../config/rollback-settings.ts";
import type { Platform } from "../platform.ts";

export function kubernetesPlatform(settings: KubernetesSettings): Platform {
  throw new Error(`not built: ${settings.namespace}`);
}
