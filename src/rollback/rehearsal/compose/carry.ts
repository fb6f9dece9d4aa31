/** Carries connections into a network on which this host has no address: by a program in a container that is on it. */
import type { Socket } from "node:net";

import { startTool } from "../../../process/run.ts";
import type { Engine } from "./engine.ts";

/** Carries its stdin to the address and what comes back to its stdout. In bash, what runs beside would have no stdin of its own. */
const carryScript = `
if command -v bash >/dev/null 2>&1; then exec bash -c 'exec 3<>"/dev/tcp/$0/$1"; cat <&0 >&3 & cat <&3; kill $! 2>/dev/null' "$1" "$2"; fi
exec nc "$1" "$2"`;

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
