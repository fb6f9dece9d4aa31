/** What else is in the cluster, as far as a rehearsal has to know it: services and pods by which production is reached. */
import { z } from "zod";

import { allowed, type Kubectl } from "../../platform/kubernetes/kubectl.ts";
import type { Address } from "../trial.ts";

const tcp = (protocol: string | undefined): boolean => (protocol ?? "TCP") === "TCP";

const service = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    clusterIPs: z.array(z.string()).default([]),
    selector: z.record(z.string(), z.string()).default({}),
    ports: z.array(z.looseObject({ port: z.int(), nodePort: z.int().optional(), targetPort: z.union([z.int(), z.string()]).optional(), protocol: z.string().optional() })).default([]),
  }),
});
const services = z.looseObject({ items: z.array(service) });
export type LiveService = z.infer<typeof service>;

const pod = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({ containers: z.array(z.looseObject({ ports: z.array(z.looseObject({ containerPort: z.int(), protocol: z.string().optional() })).default([]) })) }),
  status: z.looseObject({ podIP: z.string().optional(), phase: z.string().default("Pending") }),
});
const pods = z.looseObject({ items: z.array(pod) });

/** @throws ToolFailure */
export async function liveServices(kubectl: Kubectl, signal: AbortSignal): Promise<LiveService[]> {
  return (await kubectl.read(services, ["get", "services"], { signal }))?.items ?? [];
}

function addressesOf(what: string, { metadata: { name }, spec: { clusterIPs, ports } }: LiveService): Address[] {
  return clusterIPs.filter((host) => host !== "None" && host !== "").flatMap((host) => ports.filter(({ protocol }) => tcp(protocol)).map(({ port }) => ({ what: `${what} ${name}`, host, port })));
}

/** Most services, and most pods, that are tried. */
const most = 16;

/** Services and pods of the release's namespace, by what they say that they listen on. @throws ToolFailure */
export async function productionAddresses(kubectl: Kubectl, signal: AbortSignal): Promise<Address[]> {
  const ofServices = (await liveServices(kubectl, signal)).flatMap((each) => addressesOf("the service", each));
  const found = (await kubectl.read(pods, ["get", "pods"], { signal }))?.items ?? [];
  const ofPods = found.flatMap(({ metadata: { name }, spec, status: { podIP: host, phase } }) =>
    host === undefined || phase !== "Running" ? [] : spec.containers.flatMap(({ ports }) => ports.filter(({ protocol }) => tcp(protocol)).map(({ containerPort }) => ({ what: `the pod ${name}`, host, port: containerPort }))));
  return [...ofServices.slice(0, most), ...ofPods.slice(0, most)];
}

/** The cluster's resolver by its usual name; where it may not be looked at, by its usual address, the tenth of all services'. */
export async function resolverAddresses(kubectl: Kubectl, apiHost: string, signal: AbortSignal): Promise<Address[]> {
  const found = await allowed(kubectl.read(services, ["get", "services"], { signal, namespace: "kube-system" }));
  const named = found === "forbidden" ? [] : (found?.items ?? []).flatMap((each) => addressesOf("the cluster's service", each));
  const usual = /^\d+\.\d+\.\d+\.1$/.test(apiHost) ? [{ what: "the cluster's resolver, where it usually is", host: apiHost.replace(/\.1$/, ".10"), port: 53 }] : [];
  return named.length > 0 ? named.slice(0, most) : usual;
}
