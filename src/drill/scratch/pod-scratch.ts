/**
 * A scratch in a pod of a namespace that is there for it, its data in memory or on the node's disk, gone with the pod. This
 * host reaches it through a port of loopback, by which connections are carried into the pod.
 */
import { randomBytes } from "node:crypto";

import type { DrillSettings } from "../../config/drill-settings.ts";
import { HoldfastError } from "../../errors.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { reachServer } from "../../postgres/server.ts";
import { registerSecret } from "../../process/redact.ts";
import type { Scratch, ScratchProvider, ScratchRequest } from "./scratch.ts";
import { inVain } from "./words.ts";

/** Name of the pod, and of what belongs to it. */
export const copyPod = "copy";
export const copyPort = 5432;

/** The namespace, as far as a copy needs one. What is made in it goes with it. */
export interface PodPlace {
  readonly namespace: string;
  /** Why no pod can be made there; undefined if one can. */
  unavailable(): Promise<string | undefined>;
  create(...objects: readonly object[]): Promise<void>;
  /** Makes a pod, lets it run if it is as it was asked for, and waits until it is ready. @returns what it runs: its image's id */
  run(pod: object, signal: AbortSignal): Promise<string>;
  /** A way from this host to a port of a pod. */
  forward(pod: string, port: number): Promise<{ readonly port: number; close(): Promise<void> }>;
  /** @returns what is still there, looked for afterwards */
  removePod(pod: string): Promise<readonly string[]>;
}

export interface PodOptions {
  /** `{major}` stands for the major version of the backed-up server. */
  readonly image: string;
  readonly storage: DrillSettings["storage"];
  readonly pgBin: string | undefined;
  /** Merged into the pod: where it may run. */
  readonly placement: object;
  readonly labels: Readonly<Record<string, string>>;
}

export function podProvider(place: PodPlace, options: PodOptions): ScratchProvider {
  return {
    name: "kubernetes",
    unavailable: () => place.unavailable(),
    async provision(request) {
      try {
        return await provision(place, request, options);
      } catch (error) {
        throw inVain(error, "no server could be started in a pod", await place.removePod(copyPod));
      }
    },
    // Nothing of it is anywhere but in its namespace, which goes whole.
    leftovers: () => Promise.resolve([]),
  };
}

async function provision(place: PodPlace, request: ScratchRequest, options: PodOptions): Promise<Scratch> {
  const image = options.image.replaceAll("{major}", String(request.major));
  const password = randomBytes(24).toString("hex");
  registerSecret(password);
  await place.create({ apiVersion: "v1", kind: "Secret", metadata: { name: copyPod, labels: options.labels }, stringData: { password } });
  const id = await place.run(podOf(image, request, options), request.signal);
  const way = await place.forward(copyPod, copyPort);
  const urlOf = (database: string): string => `postgresql://postgres:${password}@127.0.0.1:${way.port}/${encodeURIComponent(database)}`;
  try {
    const server = await reachServer(parseDatabaseUrl(urlOf("postgres"), {}), { pgBin: options.pgBin }, request.signal);
    return {
      provider: "kubernetes",
      name: `${place.namespace}/${copyPod}`,
      description: `a pod of the image ${image} (${id}) with PostgreSQL ${server.facts.version} in the namespace ${place.namespace}, its data in ${options.storage === "tmpfs" ? "memory" : "a folder of the node that goes with it"}, reached through kubectl`,
      server,
      database: request.database,
      url: urlOf(request.database),
      destroy: async () => {
        await way.close();
        return place.removePod(copyPod);
      },
    };
  } catch (error) {
    await way.close();
    if (error instanceof HoldfastError && error.code === "configuration") throw new HoldfastError("drill-unverified", error.message, { hints: error.hints, cause: error });
    throw error;
  }
}

/** Inside the pod. Not the image's own place for data, which may be declared as a volume without a name. */
const dataFolder = "/holdfast-data";
const innerSocket = "/var/run/postgresql";

/** The image's first server, which only initialises, listens nowhere: so the last one is known by its address. */
const isReady = `test "$(psql -X -q -A -t -h ${innerSocket} -p ${copyPort} -U postgres -d postgres -c 'SHOW listen_addresses')" = '*'`;

export function podOf(image: string, { bytes }: Pick<ScratchRequest, "bytes">, { storage, placement, labels }: Pick<PodOptions, "storage" | "placement" | "labels">): object {
  // Rows and indexes, and the log of changes beside them.
  const size = String(Math.ceil(bytes * 1.5) + 2 * 1024 ** 3);
  const settings = {
    fsync: "off", full_page_writes: "off", synchronous_commit: "off", wal_level: "minimal", max_wal_senders: "0", max_wal_size: "2GB",
    listen_addresses: "*", port: String(copyPort), unix_socket_directories: innerSocket,
  };
  return {
    apiVersion: "v1", kind: "Pod", metadata: { name: copyPod, labels },
    spec: {
      ...placement,
      volumes: [
        { name: "data", emptyDir: { ...(storage === "tmpfs" && { medium: "Memory" }), sizeLimit: size } },
        { name: "memory", emptyDir: { medium: "Memory", sizeLimit: "268435456" } },
      ],
      containers: [{
        name: "postgres", image, imagePullPolicy: "IfNotPresent",
        args: ["postgres", ...Object.entries(settings).flatMap(([setting, value]) => ["-c", `${setting}=${value}`])],
        env: [
          ...Object.entries({ POSTGRES_USER: "postgres", POSTGRES_DB: "postgres", POSTGRES_HOST_AUTH_METHOD: "scram-sha-256", POSTGRES_INITDB_ARGS: "--no-sync", PGDATA: `${dataFolder}/pgdata` }).map(([name, value]) => ({ name, value })),
          { name: "POSTGRES_PASSWORD", valueFrom: { secretKeyRef: { name: copyPod, key: "password" } } },
        ],
        volumeMounts: [{ name: "data", mountPath: dataFolder }, { name: "memory", mountPath: "/dev/shm" }],
        resources: { requests: storage === "tmpfs" ? { memory: String(bytes) } : { "ephemeral-storage": String(bytes) } },
        readinessProbe: { exec: { command: ["sh", "-c", isReady] }, periodSeconds: 1, failureThreshold: 600, timeoutSeconds: 5 },
        // What an entrypoint needs to hand the data over to the server's user and become it.
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"], add: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"] } },
      }],
    },
  };
}
