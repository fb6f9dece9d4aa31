/** Where a health check's URL leads inside of a rehearsal: which service answers it, and on which of its own ports. */
import { z } from "zod";

import type { WorkloadState } from "../platform/platform.ts";

export interface HealthAddress {
  readonly service: string;
  readonly port: number;
}

const portShape = z.object({ target: z.coerce.number().int(), published: z.coerce.string().optional(), protocol: z.string().optional() });

export interface Port {
  readonly service: string;
  readonly target: number;
  readonly published: string | undefined;
}

export interface Listeners {
  /** Names of the release's services. */
  readonly services: readonly string[];
  /** As they are configured. */
  readonly ports: readonly Port[];
  /** Which the images say they listen on. */
  readonly exposed: readonly Port[];
}

/**
 * By the port that the service publishes, else by the service's name in the URL, else by the only port that there is.
 * @returns why it cannot be told, where it cannot
 */
export function healthAddress(url: string, { services, ports, exposed }: Listeners): HealthAddress | { readonly why: string } {
  const { port, protocol, hostname } = new URL(url);
  const asked = port === "" ? (protocol === "https:" ? "443" : "80") : port;
  const published = ports.find((each) => each.published === asked);
  if (published !== undefined) return { service: published.service, port: published.target };
  if (services.includes(hostname)) return { service: hostname, port: Number(asked) };
  const known = ports.length > 0 ? ports : exposed;
  const [only, ...others] = known;
  if (only !== undefined && others.length === 0) return { service: only.service, port: only.target };
  const named = known.map(({ service, target }) => `${service}:${target}`).join(", ");
  return { why: `the health check asks port ${asked}, which no service of the release publishes, and ${known.length === 0 ? "none says that it listens" : `several listen: ${named}`}` };
}

/** As Compose resolves them, or short: `127.0.0.1:8080:3000`, `8080:3000/tcp`, `3000`. */
export function composePorts({ name: service, resolved }: WorkloadState): Port[] {
  const ports = resolved["ports"];
  if (!Array.isArray(ports)) return [];
  return ports.flatMap((each: unknown): Port[] => {
    if (typeof each === "string" || typeof each === "number") {
      const [target, published] = String(each).replace(/\/tcp$/, "").split(":").reverse();
      return /^\d+$/.test(target ?? "") ? [{ service, target: Number(target), published }] : [];
    }
    const port = portShape.safeParse(each).data;
    return port === undefined || (port.protocol ?? "tcp") !== "tcp" ? [] : [{ service, target: port.target, published: port.published }];
  });
}
