#!/usr/bin/env node
// Runs the TypeScript sources as they are; needs a Node that strips types (24). What it made of them is kept for the next run.
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "..", "node_modules", ".cache", "holdfast"));
const { main } = await import("../src/cli/main.ts");
await main(process.argv.slice(2), import.meta.url, { commands: "./commands", helpClass: { target: "./src/cli/help.ts", identifier: "Help" } });
