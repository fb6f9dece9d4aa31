/** Keeps what Node made of the sources for the next process that runs them: for programs of the tests, as bin/dev.js does for itself. */
import { join } from "node:path";

export const compileCache = { NODE_COMPILE_CACHE: join(import.meta.dirname, "..", "..", "node_modules", ".cache", "holdfast") };
