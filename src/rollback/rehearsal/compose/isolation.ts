/** Whether what a rehearsal made is apart from everything else: looked at in what the engine says it made, before it runs. */
import { z } from "zod";

import type { Engine } from "./engine.ts";
import { lines } from "./engine.ts";
import { rehearsalLabel } from "../mark.ts";
import type { Finding } from "../evidence.ts";

const containerShape = z.object({
  Name: z.string(),
  HostConfig: z.object({
    NetworkMode: z.string(),
    PortBindings: z.record(z.string(), z.array(z.unknown()).nullable()).nullish(),
    PublishAllPorts: z.boolean(),
    Privileged: z.boolean(),
    PidMode: z.string(),
    IpcMode: z.string(),
    Devices: z.array(z.unknown()).nullish(),
    CapAdd: z.array(z.string()).nullish(),
    Dns: z.array(z.string()).nullish(),
    ExtraHosts: z.array(z.string()).nullish(),
    LogConfig: z.object({ Type: z.string() }),
  }),
  Mounts: z.array(z.object({ Type: z.string(), Name: z.string().optional(), Source: z.string().optional(), Destination: z.string() })),
  NetworkSettings: z.object({ Networks: z.record(z.string(), z.unknown()) }),
});
type Container = z.infer<typeof containerShape>;

const networkShape = z.object({ Internal: z.boolean(), EnableIPv6: z.boolean(), Driver: z.string(), Containers: z.record(z.string(), z.object({ Name: z.string() })).nullish() });

/** Names of the containers of a rehearsal's services, created or running. */
export async function containersOf(engine: Engine, project: string): Promise<string[]> {
  return lines(await engine.run("ps", "--all", "--format", "{{.Names}}", "--filter", `label=${rehearsalLabel}=${project}`));
}

/** An anonymous volume belongs to one container and goes with it; its name is a digest. */
const anonymous = /^[0-9a-f]{64}$/;

/** Ports, networks, mounts and rights of every container, as the engine made them. */
export async function checkContainers(engine: Engine, project: string): Promise<Finding> {
  const names = await containersOf(engine, project);
  if (names.length === 0) return { outcome: "unverified", detail: "no container was made" };
  const containers = z.array(containerShape).parse(JSON.parse(await engine.run("inspect", "--type", "container", ...names)));
  const problems = containers.flatMap((container) => wrongWith(container, project).map((what) => `${container.Name.slice(1)} ${what}`));
  if (problems.length > 0) return { outcome: "unverified", detail: `not apart, so nothing was started: ${problems.join("; ")}` };
  return { outcome: "pass", detail: `${names.join(", ")}: no published port, no network but ${project}, nothing of this host and no named volume mounted, no added rights, no log` };
}

function wrongWith({ HostConfig: host, Mounts: mounts, NetworkSettings: { Networks: networks } }: Container, project: string): string[] {
  const elsewhere = Object.keys(networks).filter((name) => name !== project);
  const shared = mounts.filter(({ Type: type, Name: name }) => type !== "tmpfs" && !(type === "volume" && anonymous.test(name ?? "")));
  return [
    ...Object.entries(host.PortBindings ?? {}).filter(([, bindings]) => (bindings ?? []).length > 0).map(([port]) => `publishes the port ${port}`),
    ...(host.PublishAllPorts ? ["publishes every port"] : []),
    ...(host.NetworkMode === project || networks[project] !== undefined ? [] : [`is not on the network ${project}`]),
    ...(elsewhere.length > 0 ? [`is on the network ${elsewhere.join(", ")}`] : []),
    ...shared.map(({ Type: type, Name: name, Source: source, Destination: at }) => `mounts the ${type} ${name ?? source ?? ""} at ${at}`),
    ...(host.Privileged ? ["is privileged"] : []),
    ...(host.PidMode !== "" || host.IpcMode === "host" ? ["sees processes or memory of others"] : []),
    ...((host.Devices ?? []).length > 0 ? ["has devices of this host"] : []),
    ...((host.CapAdd ?? []).length > 0 ? [`has the added rights ${(host.CapAdd ?? []).join(", ")}`] : []),
    ...((host.ExtraHosts ?? []).length > 0 ? ["knows hosts by name that are not of the rehearsal"] : []),
    ...((host.Dns ?? []).join() === "127.0.0.1" ? [] : ["asks a resolver outside"]),
    ...(host.LogConfig.Type === "none" ? [] : [`writes a log by the driver ${host.LogConfig.Type}`]),
  ];
}

/** The network itself: that it is internal, and that nobody but the rehearsal's own is on it. @param own - names of containers */
export async function checkNetwork(engine: Engine, project: string, own: readonly string[]): Promise<Finding> {
  const [network] = z.tuple([networkShape]).parse(JSON.parse(await engine.run("network", "inspect", project)));
  const strangers = Object.values(network.Containers ?? {}).map(({ Name: name }) => name).filter((name) => !own.includes(name));
  const problems = [
    ...(network.Internal ? [] : ["it is not internal"]),
    ...(network.EnableIPv6 ? ["it has addresses of IPv6, which were not tried"] : []),
    ...(network.Driver === "bridge" ? [] : [`its driver is ${network.Driver}`]),
    ...strangers.map((name) => `the container ${name} is on it`),
  ];
  if (problems.length > 0) return { outcome: "unverified", detail: `the network ${project} is not apart, so nothing was started: ${problems.join("; ")}` };
  return { outcome: "pass", detail: `the network ${project} is internal, and only ${own.join(", ")} ${own.length === 1 ? "is" : "are"} on it` };
}
