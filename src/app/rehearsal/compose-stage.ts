/** A rehearsal under Docker Compose: a project and a network of its own, the copy in a container on it, the older images beside. */
import { tmpdir } from "node:os";

import type { RollbackSettings } from "../../config/rollback-settings.ts";
import type { PlannedCheck } from "../../drill/journal.ts";
import { dockerProvider } from "../../drill/scratch/docker-scratch.ts";
import { noteOf } from "../../drill/scratch/owner.ts";
import type { Ownership } from "../../drill/scratch/scratch.ts";
import type { CommandLine } from "../../process/run.ts";
import { checkImages, checkRunning, createServices, reachService, servicesOf, startServices } from "../../rollback/rehearsal/compose/boot.ts";
import { type RehearsalFile, rehearsalFile } from "../../rollback/rehearsal/compose/file.ts";
import { checkEgress } from "../../rollback/rehearsal/compose/egress.ts";
import { engineAt, makeNetwork, removeContainers, removeRehearsal } from "../../rollback/rehearsal/compose/engine.ts";
import { checkContainers, checkNetwork } from "../../rollback/rehearsal/compose/isolation.ts";
import type { Labels } from "../../rollback/rehearsal/mark.ts";
import { databasePort } from "./copy-url.ts";
import { labelsOfNote, placeOf } from "./place-name.ts";
import { type RehearsalStage, required } from "./rehearsal-stage.ts";
import { type ReleaseOptions, type ReleasePlace, releaseStage } from "./release-stage.ts";

const images: PlannedCheck = { id: "images", title: "The images of the release are there, by their content" };

/** Docker's command line for the engine on which a database's application runs: by its context, or this host's own. */
export function engineCommand({ compose }: RollbackSettings): CommandLine {
  return ["docker", "--context", compose?.context ?? "default"];
}

export async function composeStage(options: ReleaseOptions, owner: Ownership): Promise<RehearsalStage> {
  const note = await noteOf(owner);
  return releaseStage(composePlace(options, placeOf(note), labelsOfNote(note)), options);
}

function composePlace({ context: { config: { pgBin, tempDir }, clock, actor }, database: { drill }, settings, checkpoint }: ReleaseOptions, project: string, labels: Labels): ReleasePlace {
  const command = engineCommand(settings);
  const engine = engineAt(command);
  const { workloads } = checkpoint.state;
  let file: RehearsalFile | undefined;
  return {
    name: project,
    planned: [images],
    configured: "docker",
    providers: [dockerProvider({ image: drill.image, storage: drill.storage, tempDir: tempDir ?? tmpdir(), pgBin, command, network: project, host: actor.host, now: () => clock.now() })],
    async prepare(journal) {
      await required(journal, images, () => checkImages(engine, workloads));
      await makeNetwork(engine, project, labels);
    },
    checkNetwork: ({ name }) => checkNetwork(engine, project, [name]),
    hostOf: ({ name }) => Promise.resolve(name),
    async make(copy) {
      file = rehearsalFile(workloads, { project, labels, database: copy });
      if (file.withoutDatabase.length === workloads.length) return { outcome: "unverified", detail: `no service has the variable ${copy.variable}, so none would find the copy` };
      if (file.withoutCommand.length > 0) return { outcome: "unverified", detail: `of the command of ${file.withoutCommand.join(", ")} the checkpoint holds only a hash, so it cannot be started as it was` };
      await createServices(engine, project, file);
      return { outcome: "pass", detail: `the project ${project}, from what the checkpoint recorded of ${workloads.map(({ name }) => name).join(", ")}` };
    },
    checkMade: () => checkContainers(engine, project),
    checkEgress: ({ name }, forbidden) => checkEgress(engine, { from: name, project, control: { what: "the copy", host: name, port: databasePort }, forbidden, production: settings.compose?.project }),
    async start() {
      await startServices(engine, project);
      return checkRunning(await servicesOf(engine, project), workloads);
    },
    services: () => servicesOf(engine, project),
    reach: ({ name }, url) => reachService(engine, project, name, { url, workloads }),
    isolation: () => ({
      measures: [
        "one container for each service, in a project of its own, from the recorded configuration without its ports, networks, labels and restarts",
        "one internal network without an address of this host on it, without a resolver; the copy and the release are alone there",
        "nothing of this host mounted, no log written; asked from this host through a program in the container of the copy",
      ],
      leftOut: file?.leftOut ?? [],
      placeholders: file?.placeholders ?? [],
    }),
    stop: () => removeContainers(engine, project),
    remove: () => removeRehearsal(engine, project),
  };
}
