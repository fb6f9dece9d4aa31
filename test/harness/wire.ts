/** Faults on the way to a server: a proxy that can be cut or can tamper, and a server that never answers. Loopback only. */
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { onTestFinished } from "vitest";

export interface Proxy {
  readonly endpoint: string;
  /** Bytes that came from clients so far. */
  received(): number;
  /** Resolves once that many bytes came from clients. */
  receivedAtLeast(bytes: number): Promise<void>;
  /** Resets all connections and refuses new ones. */
  cut(): Promise<void>;
  /** Takes whatever clients send from now on, and answers nothing. */
  hang(): void;
  /** Ends what {@link cut} or {@link hang} began: new connections go through again, at the same endpoint. */
  mend(): Promise<void>;
}

interface ProxyOptions {
  /** Sees what the server sends to a client, and says what the client gets instead; null ends the connection. */
  readonly tamper?: (bytes: Buffer) => Buffer | null;
  /** Sees what a client sends, before it is passed on. */
  readonly sees?: (bytes: Buffer) => void;
}

async function listening(onConnection: (socket: Socket) => void): Promise<{ endpoint: string; cut: () => Promise<void>; mend: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  };
  const mend = async () => {
    for (const socket of sockets) socket.resetAndDestroy();
    if (!server.listening) await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  };
  onTestFinished(cut);
  return { endpoint: `http://127.0.0.1:${port}`, cut, mend };
}

/** A TCP proxy in front of `endpoint`. */
export async function startProxy(endpoint: string, options: ProxyOptions = {}): Promise<Proxy> {
  const { hostname, port } = new URL(endpoint);
  let received = 0;
  let hung = false;
  const waiting: { bytes: number; resolve: () => void }[] = [];
  const { endpoint: own, cut, mend } = await listening((client) => {
    const upstream = connect(Number(port), hostname).on("error", () => client.destroy());
    client.on("data", (bytes: Buffer) => {
      received += bytes.length;
      options.sees?.(bytes);
      for (const wait of waiting) if (received >= wait.bytes) wait.resolve();
      if (!hung && !upstream.write(bytes)) {
        client.pause();
        upstream.once("drain", () => client.resume());
      }
    });
    upstream.on("data", (bytes: Buffer) => {
      if (hung) return;
      const shown = options.tamper ? options.tamper(bytes) : bytes;
      if (shown === null) client.destroy();
      else client.write(shown);
    });
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => { if (!hung) client.destroy(); });
  });
  return {
    endpoint: own,
    received: () => received,
    receivedAtLeast: (bytes) => new Promise((resolve) => {
      if (received >= bytes) resolve();
      else waiting.push({ bytes, resolve });
    }),
    cut,
    hang: () => { hung = true; },
    mend: () => {
      hung = false;
      return mend();
    },
  };
}

/** Accepts connections, takes what comes and never answers, as a full Ceph does. */
export async function startSilentServer(): Promise<{ readonly endpoint: string }> {
  return listening((socket) => { socket.resume(); });
}

/** A port where nobody listens. */
export async function deadEndpoint(): Promise<string> {
  const { endpoint, cut } = await listening(() => undefined);
  await cut();
  return endpoint;
}
