/**
 * A way from this host to a port in the place of a rehearsal, where this host has no address: each connection to a port of
 * loopback is carried there, as the place can. It stands only while it is needed.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

export interface Relay {
  /** On 127.0.0.1. */
  readonly port: number;
  close(): Promise<void>;
}

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
