/**
 * Whether anything outside can be reached from the place of a rehearsal. It is tried, with a program in a container that is
 * there, and only believed where the same program does reach the copy.
 */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, isIP, type Server } from "node:net";
import { networkInterfaces } from "node:os";

import type { Finding } from "./evidence.ts";

export interface Address {
  /** What it is, in words: "the database in production". */
  readonly what: string;
  readonly host: string;
  readonly port: number;
}

export interface Trial {
  /** The container in which it is made, by name. */
  readonly from: string;
  /** Runs a program there. */
  readonly exec: (...command: string[]) => Promise<string>;
  /** What is in the place and listens: the trial has to reach it. */
  readonly control: Address;
  /** What must not be reached. */
  readonly forbidden: readonly Address[];
}

/** Something on every address of this host that must not be reached, and counts who does. */
export interface Ear {
  readonly port: number;
  heard(): number;
  close(): void;
}

const attemptMs = 2_000;
const loopback = /^(?:localhost|127\.[\d.]+|::1)$/;

/** Tries. What could be reached is `unverified`: nothing may be started there, so nothing of the pair is known. */
export async function tryToLeave({ from, exec, control, forbidden }: Trial, ear: Ear): Promise<Finding> {
  const open = await reachable(exec, [control, ...forbidden]);
  if (open === undefined) return { outcome: "unverified", detail: `the container ${from} has no program to try it with: neither bash nor nc, or no timeout` };
  if (!open.has(at(control))) return { outcome: "unverified", detail: `the trial does not even reach ${control.what}, so that it reaches nothing else proves nothing` };
  const reached = forbidden.filter((address) => open.has(at(address)));
  if (reached.length > 0 || ear.heard() > 0) {
    return { outcome: "unverified", detail: `the network leads outside, so nothing was started: ${reached.map(({ what, host, port }) => `${what} (${host}:${port})`).join(", ") || "this host"} can be reached from it` };
  }
  const answering = await Promise.all(forbidden.map(answers));
  const told = forbidden.map(({ what, host, port }, index) => `${what} (${host}:${port}${answering[index] === true ? ", which answers this host" : ""})`);
  return { outcome: "pass", detail: `tried from ${from}: ${control.what} can be reached; ${told.join(", ")} cannot` };
}

const at = ({ host, port }: Pick<Address, "host" | "port">): string => `${host} ${port}`;

export async function openEar(): Promise<Ear> {
  let heard = 0;
  const server: Server = createServer((socket) => {
    heard += 1;
    socket.on("error", () => undefined).destroy();
  }).listen(0, "0.0.0.0");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, heard: () => heard, close: () => { server.close(); } };
}

/** This host by each of its addresses. */
export function ownAddresses(): Omit<Address, "port">[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) => (addresses ?? []).filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => ({ what: `this host by ${name}`, host: address })));
}

/**
 * Addresses that this host knows, as they are to be tried from elsewhere: names resolved here, since nothing resolves them
 * there; and what is on this host's loopback by its other addresses, since by loopback a container would reach itself.
 */
export async function seenFromElsewhere(addresses: readonly Address[], here: readonly Omit<Address, "port">[]): Promise<Address[]> {
  const found = await Promise.all(addresses.map(async (each): Promise<Address[]> => {
    if (loopback.test(each.host)) return here.map(({ host, what }) => ({ what: `${each.what}, at ${what}`, host, port: each.port }));
    if (isIP(each.host) !== 0) return [each];
    const resolved = await lookup(each.host, { all: true }).catch(() => []);
    return resolved.length === 0 ? [each] : resolved.map(({ address }) => ({ ...each, host: address }));
  }));
  return found.flat();
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
export async function reachable(exec: Trial["exec"], addresses: readonly Pick<Address, "host" | "port">[]): Promise<ReadonlySet<string> | undefined> {
  const said = await exec("sh", "-c", trial, "trial", ...addresses.flatMap(({ host, port }) => [host, String(port)])).catch(() => undefined);
  return said === undefined ? undefined : new Set(said.split("\n").filter((line) => line !== "").map((line) => line.trim().replace(/^open /, "")));
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
