/** Which kind of scratch a drill takes. */
import { hostname, tmpdir } from "node:os";
import { expect, test } from "vitest";

import { chooseProvider, scratchProviders } from "../../../src/drill/scratch/providers.ts";
import { dockerProvider } from "../../../src/drill/scratch/docker-scratch.ts";
import { localProvider } from "../../../src/drill/scratch/local-scratch.ts";
import { serverProvider } from "../../../src/drill/scratch/server-scratch.ts";
import { parseDatabaseUrl } from "../../../src/postgres/connection.ts";
import { urlOf } from "../../harness/postgres.ts";

const place = { tempDir: tmpdir(), pgBin: undefined, host: hostname(), now: () => new Date(), source: { connection: parseDatabaseUrl("postgresql://u@127.0.0.1:1/d"), search: {} } };

const local = (have: boolean) => localProvider({ ...place, ...(!have && { binaries: () => Promise.resolve([]) }) });
const docker = dockerProvider({ ...place, image: "postgres:{major}", storage: "tmpfs", command: ["/no/such/docker"] });
const server = (have: boolean) => serverProvider({ ...place, url: have ? urlOf("postgres") : undefined, allowSourceServer: false });

const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);

test("the first kind that can be used is taken, and nothing else than the one that is configured", async () => {
  expect((await chooseProvider([local(true), docker, server(true)], undefined, 12)).name).toBe("local");
  expect((await chooseProvider([local(false), docker, server(true)], undefined, 12)).name).toBe("server");
  expect((await chooseProvider([local(true), docker, server(true)], "server", 12)).name).toBe("server");
  expect(await caught(chooseProvider([local(true), docker, server(true)], "docker", 12))).toMatchObject({
    code: "drill-unverified",
    message: "the configured scratch cannot be used: docker: Docker is not installed, or not in PATH: /no/such/docker",
    hints: ["Start Docker and pull the image for a scratch in a container."],
  });
});

test("where none can be used, each says why", async () => {
  const error = await caught(chooseProvider([local(false), docker, server(false)], undefined, 15));
  expect(error).toMatchObject({ code: "drill-unverified", message: expect.stringMatching(/^no kind of scratch can be used here: local: this machine has no server programs .*; docker: Docker is not installed.*; server: no server is configured/) as string });
  expect((error as { hints: string[] }).hints).toHaveLength(3);
});

test("all kinds come from the settings, in the order in which they are tried", () => {
  expect(scratchProviders({ image: "postgres:{major}", storage: "tmpfs", server: undefined, allowSourceServer: false }, place).map(({ name }) => name)).toEqual(["local", "docker", "server"]);
});
