/** Images of the application that only one test has, so that they can be pruned: the engine is others' too. */
import { execa } from "execa";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

import type { ComposeApp } from "./compose-app.ts";
import { docker } from "./containers.ts";

const own = (name: string): string[] => ["--filter", `label=holdfast-test.own=${name}`];

/** @returns the repository of the images, which have the release as their tag */
export async function ownImages(releases: readonly ("1.4.1" | "1.4.2")[]): Promise<string> {
  const name = `holdfast-test/own-${randomBytes(4).toString("hex")}`;
  const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(async () => {
    await rm(folder, { recursive: true, force: true });
    await execa("docker", ["image", "prune", "--all", "--force", ...own(name)], { reject: false });
  });
  for (const release of releases) {
    await writeFile(join(folder, "Dockerfile"), `FROM holdfast-test/app:${release}\nLABEL holdfast-test.own=${name}\nVOLUME /var/scratch\n`);
    await docker("build", "--quiet", "--tag", `${name}:${release}`, folder);
  }
  return name;
}

/** `docker image prune`, of these images only. */
export async function pruneOwn(name: string, ...how: readonly "--all"[]): Promise<void> {
  await docker("image", "prune", "--force", ...how, ...own(name));
}

/** The containers that hold a project's images, as `docker container prune` removes them, which `docker system prune` does first. */
export async function removeHolders({ project }: Pick<ComposeApp, "project">): Promise<void> {
  const held = (await docker("ps", "--all", "--quiet", "--filter", `label=holdfast.project=${project}`)).split("\n").filter((id) => id !== "");
  if (held.length > 0) await docker("rm", "--force", ...held);
}

export async function hasImage(reference: string): Promise<boolean> {
  return (await execa("docker", ["image", "inspect", reference], { reject: false, stdin: "ignore" })).exitCode === 0;
}
