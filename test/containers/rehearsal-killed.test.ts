/** Rehearsals that are killed: what they leave on the engine is gone after `drill clean`. */
import { expect, test } from "vitest";

import type { CleanResult } from "../../src/app/drill/clean-drills.ts";
import type { RehearsalJson } from "../../src/cli/rehearsal-view.ts";
import { commandLine, killRehearsal } from "../harness/rehearsal-command.ts";
import { checkpointOf, clinicAt, recordedState, remains } from "../harness/rehearsals.ts";

const configuration = {
  drill: { scratch: "docker", image: "holdfast-test/drill-postgres:{major}", storage: "tmpfs" },
  rollback: { platform: "compose", compose: { project: "clinic", files: ["/srv/clinic/compose.yaml"], services: ["app"] }, health: { url: "http://127.0.0.1:18080/api/health", times: 2, interval: "1s", timeout: "60s" } },
};

test("what killed rehearsals leave is gone after drill clean, and the next one passes", async () => {
  const here = await clinicAt("1.4.1");
  await checkpointOf(here, await recordedState("1.4.1"), "1.4.1");
  const holdfast = await commandLine(here, configuration);
  const left: string[] = [];
  const pids: number[] = [];
  for (const [step, delay] of [["images", 200], ["provision", 500], ["restore", 200], ["application", 1_000], ["application", 4_500], ["remove", 100]] as const) {
    const pid = await killRehearsal(holdfast, step, delay);
    pids.push(pid);
    left.push(...(await remains(pid)));
  }
  expect(left.map((name) => name.replace(/-\d+-.*/, ""))).toEqual(expect.arrayContaining(["holdfast-rehearsal", "holdfast-drill"]));
  const clean = await holdfast("drill", "clean", "--json");
  expect((JSON.parse(clean.stdout) as CleanResult).left).toEqual([]);
  for (const pid of pids) expect(await remains(pid)).toEqual([]);

  const running = holdfast("rollback", "rehearse", "--to", "1.4.1", "--reason", "monthly", "--json");
  expect(JSON.parse((await running).stdout) as RehearsalJson).toMatchObject({ verdict: "pass", reason: "monthly", removed: { removed: true } });
  expect(await remains(running.pid)).toEqual([]);
}, 300_000);

test("a rehearsal that runs is left alone by drill clean", async () => {
  const here = await clinicAt("1.4.1");
  await checkpointOf(here, await recordedState("1.4.1"), "1.4.1");
  const holdfast = await commandLine(here, configuration);
  const running = holdfast("rollback", "rehearse", "--json", "--log-format", "json");
  let heard = "";
  await new Promise<void>((resolve, reject) => {
    running.stderr.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
      if (heard.includes('"step-started","step":"application"')) resolve();
    });
    void running.then(() => { reject(new Error(heard)); });
  });
  const clean = await holdfast("drill", "clean", "--json");
  expect((JSON.parse(clean.stdout) as CleanResult).inUse).toEqual(expect.arrayContaining([expect.stringContaining(`holdfast-rehearsal-${running.pid ?? ""}-`)]));
  expect(JSON.parse((await running).stdout) as RehearsalJson).toMatchObject({ verdict: "pass" });
}, 120_000);
