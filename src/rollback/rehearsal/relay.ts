/**
 * A way from this host to a port in the place of a rehearsal, where this host has no address: each connection to a port of
 * loopback is carried there, under Docker by a program in the scratch's container. It stands only while it is needed.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

import { startTool } from "../../process/run.ts";
import type { Engine } from "./engine.ts";

export interface Relay {
  /** On 127.0.0.1. */
  readonly port: number;
  close(): Promise<void>;
}

/** Carries its stdin to the address and what comes back to its stdout. In bash, what runs beside would have no stdin of its own. */
const carryScript = `
if command -v bash >/dev/null 2>&1; then exec bash -c 'exec 3<>"/dev/tcp/$0/$1"; cat <&0 >&3 & cat <&3; kill $! 2>/dev/null' "$1" "$2"; fi
exec nc "$1" "$2"`;

/**
 * Stands on a port of loopback.
 * @param carry - takes over each connection that comes there; what it does with it ends when the connection is closed
 */
export async function openRelay(carry: (socket: Socket) => void): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => { sockets.delete(socket); }).on("error", () => undefined);
    carry(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** @param through - a container on the network */
export function throughContainer(engine: Engine, through: string, { host, port }: { readonly host: string; readonly port: number }): (socket: Socket) => void {
  return (socket) => {
    const tool = startTool(engine.command, ["exec", "--interactive", through, "sh", "-c", carryScript, "relay", host, String(port)]);
    socket.pipe(tool.stdin);
    tool.stdout.pipe(socket);
    tool.stdin.on("error", () => undefined);
    tool.stdout.on("error", () => undefined);
    const end = (): void => {
      socket.destroy();
      tool.kill("SIGTERM");
    };
    socket.once("close", end).on("error", () => undefined);
    // What could not be reached is cut off, as it would be without us; what has answered has had its say.
    tool.done.catch(() => { if (socket.bytesWritten === 0) socket.resetAndDestroy(); });
  };
}
