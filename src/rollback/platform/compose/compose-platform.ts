/** Docker Compose, always with its project, files and context named. */
import type { ComposeSettings } from "../../../config/rollback-settings.ts";
import type { Platform } from "../platform.ts";
import type { Site } from "./bring-up.ts";
import { capture } from "./capture.ts";
import { dockerFor } from "./command.ts";
import { slowHash } from "./conceal.ts";
import { observe } from "./observe.ts";
import { pin } from "./pin.ts";
import { preflight } from "./preflight.ts";
import { startTarget, stopWriters } from "./steps.ts";
import { unpin } from "./unpin.ts";

export function composePlatform(settings: ComposeSettings): Platform {
  const docker = dockerFor(settings);
  const site: Site = { docker, settings, hash: slowHash(settings.project) };
  const address = {
    project: settings.project,
    files: settings.files.join(", "),
    ...(docker.envFiles.length > 0 && { envFiles: docker.envFiles.join(", ") }),
    ...(settings.profiles.length > 0 && { profiles: settings.profiles.join(", ") }),
    services: settings.services.join(", "),
    context: settings.context ?? "default",
  };
  return {
    kind: "compose",
    address,
    confirmName: settings.project,
    capture: (signal) => capture({ ...site, address }, signal),
    pin: (state, checkpoint, signal) => pin(docker, settings.project, state, checkpoint, signal),
    unpin: (old, kept, signal) => unpin(docker, settings.project, { old, kept }, signal),
    preflight: (target, now, signal, since) => preflight(site, { target, now, since }, signal),
    stopWriters: (now) => stopWriters(site, now),
    startTarget: (target, now) => [startTarget(site, target, now)],
    observe: (target, signal) => observe(site, target, signal),
  };
}
