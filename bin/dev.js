#!/usr/bin/env node
// Runs the TypeScript sources as they are; needs a Node that strips types (24).
const { main } = await import("../src/cli/main.ts");
await main(process.argv.slice(2), import.meta.url, { commands: "./commands", helpClass: { target: "./src/cli/help.ts", identifier: "Help" } });
