/**
 * Writes the files that are generated from the schemas and the table of errors.
 * With --check it writes nothing, names the stale ones and exits with 1.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { generatedFiles } from "../src/config/reference.ts";
import { evidenceSchemaFile } from "../src/drill/evidence/schema.ts";

const root = join(import.meta.dirname, "..");
const check = process.argv.includes("--check");

for (const { path, text } of [...generatedFiles(), evidenceSchemaFile()]) {
  const target = join(root, path);
  const committed = await readFile(target, "utf8").catch(() => undefined);
  if (committed === text) continue;
  if (check) {
    console.error(`${path} is stale; run \`npm run generate\``);
    process.exitCode = 1;
  } else {
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
    console.error(`wrote ${path}`);
  }
}
