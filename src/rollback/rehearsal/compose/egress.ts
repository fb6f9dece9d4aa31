/** What must not be reached from the network of a rehearsal under Docker Compose: this host, and every container but its own. */
import { z } from "zod";

import type { Engine } from "./engine.ts";
import { lines } from "./engine.ts";
import type { Finding } from "../evidence.ts";
import { type Address, openEar, ownAddresses, seenFromElsewhere, tryToLeave } from "../trial.ts";

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

/** Tries. What could be reached is `unverified`: nothing may be started there, so nothing of the pair is known. */
export async function checkEgress(engine: Engine, { from, project, control, forbidden, production }: EgressTrial): Promise<Finding> {
  const ear = await openEar();
  try {
    const here = await hostAddresses(engine, project);
    const addresses = [
      ...here.map((address) => ({ ...address, port: ear.port })),
      ...(await neighbours(engine, project, production)),
      ...(await seenFromElsewhere(forbidden, here)),
    ];
    return await tryToLeave({ from, exec: (...command) => engine.run("exec", from, ...command), control, forbidden: addresses }, ear);
  } finally {
    ear.close();
  }
}

/** This host by each of its addresses, and by that which the network would have for it. */
async function hostAddresses(engine: Engine, project: string): Promise<Omit<Address, "port">[]> {
  const gateways = lines(await engine.run("network", "inspect", "--format", "{{range .IPAM.Config}}{{println .Gateway}}{{end}}", project));
  const own = ownAddresses();
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
