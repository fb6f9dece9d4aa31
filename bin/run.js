#!/usr/bin/env node
// Plain old JavaScript up to the version check, so that an old Node gets as far as saying which one is needed.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const needed = [22, 22];
const here = process.versions.node.split(".").map(Number);
const oldNode = here[0] < needed[0] || (here[0] === needed[0] && here[1] < needed[1]);

async function runUnderBundledNode(bundled, script) {
  const child = spawn(bundled, [script, ...process.argv.slice(2)], { stdio: "inherit", env: { ...process.env, HOLDFAST_NODE_TRIED: "1" } });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (status, signal) => resolve(status === null ? 128 + constants.signals[signal] : status));
  });
  process.exit(code);
}

function refuse() {
  const message = `holdfast needs Node ${needed.join(".")} or newer, but this is Node ${process.versions.node}`;
  const hint = "Install a current Node, or run `npm ci` in holdfast's folder, which brings one along.";
  if (process.argv.includes("--json")) console.log(JSON.stringify({ error: { code: "configuration", message, hints: [hint] } }, null, 2));
  else console.error(`error: ${message}\n  → ${hint}\n(exit 10: configuration missing or wrong)`);
  process.exit(10);
}

if (oldNode) {
  const script = fileURLToPath(import.meta.url);
  const bundled = join(dirname(dirname(script)), "node_modules", "node", "bin", "node");
  if (existsSync(bundled) && process.env.HOLDFAST_NODE_TRIED === undefined) await runUnderBundledNode(bundled, script).catch(refuse);
  refuse();
}

delete process.env.HOLDFAST_NODE_TRIED;
const { main } = await import("../dist/src/cli/main.js");
await main(process.argv.slice(2), import.meta.url);
