/**
 * Whether anything outside can be reached from the network of a rehearsal. It is tried, with a program in the scratch's
 * container, and only believed where the same program does reach what is on the network.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { z } from "zod";

import type { Engine } from "./engine.ts";
import { lines } from "./engine.ts";
import type { Finding } from "./evidence.ts";

export interface Address {
  /** What it is, in words: "the database in production". */
  readonly what: string;
  readonly host: string;
  readonly port: number;
}

export interface EgressTrial {
  /** Container on the network in which the trial is made. */
  readonly from: string;
  /** The rehearsal's network. */
  readonly project: string;
  /** What is on the network and listens: the trial has to reach it. */
  readonly control: Address;
  /** What must not be reached, beside this host and the containers that run on the engine. */
  readonly forbidden: readonly Address[];
  /** Compose project in production: its containers are tried before those of others. */
  readonly production?: string | undefined;
}

/** Most containers of others that are tried. */
const mostContainers = 16;
const attemptMs = 2_000;
const loopback = /^(?:localhost|127\.[\d.]+|::1)$/;

/** Tries. What could be reached is `unverified`: nothing may be started there, so nothing of the pair is known. */
export async function checkEgress(engine: Engine, { from, project, control, forbidden, production }: EgressTrial): Promise<Finding> {
  const ear = await listen();
  try {
    const here = await hostAddresses(engine, project);
    const addresses = [
      ...here.map((address) => ({ ...address, port: ear.port })),
      ...(await neighbours(engine, project, production)),
      // By loopback, a container would reach itself.
      ...forbidden.flatMap((each) => (loopback.test(each.host) ? here.map(({ host, what }) => ({ what: `${each.what}, at ${what}`, host, port: each.port })) : [each])),
    ];
    const open = await reachable(engine, from, [control, ...addresses]);
    if (open === undefined) return { outcome: "unverified", detail: `the container ${from} has no program to try it with: neither bash nor nc, or no timeout` };
    if (!open.has(at(control))) return { outcome: "unverified", detail: `the trial does not even reach ${control.what}, so that it reaches nothing else proves nothing` };
    const reached = addresses.filter((address) => open.has(at(address)));
    if (reached.length > 0 || ear.heard() > 0) {
      return { outcome: "unverified", detail: `the network leads outside, so nothing was started: ${reached.map(({ what, host, port }) => `${what} (${host}:${port})`).join(", ") || "this host"} can be reached from it` };
    }
    const answering = await Promise.all(addresses.map(answers));
    const told = addresses.map(({ what, host, port }, index) => `${what} (${host}:${port}${answering[index] === true ? ", which answers this host" : ""})`);
    return { outcome: "pass", detail: `tried from ${from}: ${control.what} can be reached; ${told.join(", ")} cannot` };
  } finally {
    ear.close();
  }
}

const at = ({ host, port }: Pick<Address, "host" | "port">): string => `${host} ${port}`;

/** Something on every address of this host that must not be reached, and counts who does. */
async function listen(): Promise<{ readonly port: number; heard(): number; close(): void }> {
  let heard = 0;
  const server: Server = createServer((socket) => {
    heard += 1;
    socket.on("error", () => undefined).destroy();
  }).listen(0, "0.0.0.0");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, heard: () => heard, close: () => { server.close(); } };
}

function ownAddresses(): { readonly name: string; readonly host: string }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) => (addresses ?? []).filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => ({ name, host: address })));
}

/** This host by each of its addresses, and by that which the network would have for it. */
async function hostAddresses(engine: Engine, project: string): Promise<Omit<Address, "port">[]> {
  const gateways = lines(await engine.run("network", "inspect", "--format", "{{range .IPAM.Config}}{{println .Gateway}}{{end}}", project));
  const own = ownAddresses().map(({ name, host }) => ({ what: `this host by ${name}`, host }));
  return [...own, ...gateways.filter((host) => /^[\d.]+$/.test(host) && !own.some((each) => each.host === host)).map((host) => ({ what: "this host by the network's gateway", host }))];
}

const neighbourShape = z.object({ Name: z.string(), Config: z.object({ Labels: z.record(z.string(), z.string()).nullish(), ExposedPorts: z.record(z.string(), z.unknown()).nullish() }), NetworkSettings: z.object({ Networks: z.record(z.string(), z.object({ IPAddress: z.string() })) }) });

/** Containers of others that run on the engine, by the ports that they expose. */
async function neighbours(engine: Engine, project: string, production: string | undefined): Promise<Address[]> {
  const ids = lines(await engine.run("ps", "--quiet"));
  const answers = await Promise.allSettled(ids.map((id) => engine.run("inspect", "--type", "container", id)));
  const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? z.array(neighbourShape).parse(JSON.parse(answer.value)) : []));
  const isFirst = ({ Config: { Labels: labels } }: (typeof found)[number]): number => (labels?.["com.docker.compose.project"] === production ? 1 : 0);
  return found.sort((a, b) => isFirst(b) - isFirst(a)).flatMap(({ Name: name, Config: config, NetworkSettings: { Networks: networks } }): Address[] => {
    if (networks[project] !== undefined) return [];
    const ports = Object.keys(config.ExposedPorts ?? {}).filter((port) => port.endsWith("/tcp")).map((port) => Number.parseInt(port, 10));
    return Object.values(networks).filter(({ IPAddress: host }) => host !== "").flatMap(({ IPAddress: host }) => ports.map((port) => ({ what: `the container ${name.slice(1)}`, host, port })));
  }).slice(0, mostContainers);
}

/** Each address as two arguments; says which of them opened, all at once. bash needs no other program; of nc there is one that knows -z, and busybox's. */
const trial = `
command -v timeout >/dev/null 2>&1 || exit 3
if command -v bash >/dev/null 2>&1; then open() { timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2"; }
elif command -v nc >/dev/null 2>&1; then open() { timeout 2 nc -z -w 2 "$1" "$2" || timeout 2 nc -w 2 "$1" "$2" -e true; }
else exit 3; fi
while [ $# -gt 1 ]; do (open "$1" "$2" </dev/null >/dev/null 2>&1 && echo "open $1 $2") & shift 2; done
wait`;

/** Which of the addresses open, as `host port`. @returns undefined if there is nothing to try it with */
export async function reachable(engine: Engine, from: string, addresses: readonly Pick<Address, "host" | "port">[]): Promise<ReadonlySet<string> | undefined> {
  const said = await engine.run("exec", from, "sh", "-c", trial, "trial", ...addresses.flatMap(({ host, port }) => [host, String(port)])).catch(() => undefined);
  return said === undefined ? undefined : new Set(lines(said).map((line) => line.replace(/^open /, "")));
}

/** Whether this host reaches it: what does not answer at all proves less. */
function answers({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: attemptMs });
    const end = (answered: boolean) => (): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", end(true)).once("timeout", end(false)).once("error", end(false));
  });
}
