/** The way to the configuration, apart so that help and version load neither Zod nor YAML. */
export { standingAt } from "../app/which-repository.ts";
export { loadConfig } from "../config/load.ts";
