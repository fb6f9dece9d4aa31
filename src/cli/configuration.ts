/** The way to the configuration, apart so that help and version load neither Zod nor YAML. */
export { loadConfig } from "../config/load.ts";
