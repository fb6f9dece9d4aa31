/**
 * A way from this host into a pod: a port of loopback whose connections kubectl carries to the pod's own loopback, past every
 * network policy. kubectl ends whenever a connection fails; it is started again for the next one.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

import { HoldfastError } from "../../../errors.ts";
import { type RunningTool, startTool } from "../../../process/run.ts";
import type { Kubectl } from "../../platform/kubernetes/kubectl.ts";
import { openRelay, type Relay } from "../relay.ts";

const patienceMs = 20_000;

interface Carrier {
  readonly tool: RunningTool;
  /** On 127.0.0.1. */
  readonly port: Promise<number>;
}

export async function openForward(kubectl: Kubectl, pod: string, port: number): Promise<Relay> {
  let carrier: Carrier | undefined;
  const carrying = (): Promise<number> => {
    if (carrier !== undefined) return carrier.port;
    const started = startCarrier(kubectl, pod, port);
    carrier = started;
    const ended = (): void => { if (carrier === started) carrier = undefined; };
    started.tool.done.then(ended, ended);
    started.port.catch(() => { started.tool.kill("SIGTERM"); });
    return started.port;
  };
  const relay = await openRelay((socket) => {
    carrying().then((local) => { carry(socket, local); }, () => { socket.resetAndDestroy(); });
  });
  return {
    port: relay.port,
    close: async () => {
      await relay.close();
      const last = carrier;
      last?.tool.kill("SIGTERM");
      await last?.tool.done.catch(() => undefined);
    },
  };
}

function carry(socket: Socket, local: number): void {
  const inner = connect(local, "127.0.0.1");
  socket.pipe(inner).pipe(socket);
  inner.once("error", () => { socket.resetAndDestroy(); }).once("close", () => { socket.end(); });
  socket.once("close", () => { inner.destroy(); });
}

function startCarrier(kubectl: Kubectl, pod: string, port: number): Carrier {
  const tool = startTool(kubectl.command, ["port-forward", "--address", "127.0.0.1", `pod/${pod}`, `:${port}`], { env: kubectl.environment() });
  tool.stdin.on("error", () => undefined).end();
  return { tool, port: portOf(tool, pod) };
}

/** As kubectl says it; what it says afterwards is read and forgotten. */
async function portOf(tool: RunningTool, pod: string): Promise<number> {
  const { stdout, done } = tool;
  let said = "";
  const told = new Promise<number>((resolve) => {
    stdout.setEncoding("utf8").on("data", (text: string) => {
      if (said.length > 4_096) return;
      said += text;
      const [, local] = /Forwarding from 127\.0\.0\.1:(\d+) /.exec(said) ?? [];
      if (local !== undefined) resolve(Number(local));
    }).on("error", () => undefined);
  });
  const over = once(AbortSignal.timeout(patienceMs), "abort");
  const local = await Promise.race([told, done.then(() => undefined, () => undefined), over.then(() => undefined)]);
  if (local !== undefined) return local;
  throw new HoldfastError("drill-unverified", `kubectl does not carry connections to the pod ${pod}: ${tool.stderr() || "it says no port"}`);
}
