/** Which pod of a rehearsal answers the configured health check, and on which of its ports. */
import { selects } from "../../platform/kubernetes/workload.ts";
import { healthAddress, type HealthAddress, type Port } from "../health-address.ts";
import { listOf, objectOf } from "./admitted.ts";
import type { LiveService } from "./neighbours.ts";
import type { ReleasePod } from "./release-pods.ts";

/**
 * By the service of the cluster that the URL names, else by the readiness probe that asks for the same path, else as under
 * Compose: by the port that a service publishes on the nodes, the workload's name, or the only port that there is.
 * @returns `service`: the pod's name; or why it cannot be told
 */
export function podToAsk(url: string, pods: readonly ReleasePod[], services: readonly LiveService[]): HealthAddress | { readonly why: string } {
  const { hostname, port, protocol, pathname } = new URL(url);
  const asked = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
  const named = services.find(({ metadata: { name } }) => hostname === name || hostname.startsWith(`${name}.`));
  const behind = named === undefined ? [] : portsBehind(named, pods).filter(({ published }) => published === String(asked));
  if (behind[0] !== undefined) return { service: behind[0].service, port: behind[0].target };
  const probed = pods.flatMap((each) => probesOf(each).filter(({ path }) => path === pathname));
  const [only, ...others] = probed;
  if (only !== undefined && others.length === 0) return { service: only.service, port: only.target };
  const onNodes = services.flatMap((service) => portsBehind(service, pods, (each) => each.nodePort));
  const own = pods.flatMap(({ pod, workload }) => portsOf(pod.spec).map(({ containerPort }): Port & { readonly workload: string } => ({ service: pod.metadata.name, workload: workload.name, target: Number(containerPort), published: undefined })));
  const byName = own.filter(({ workload }) => workload === hostname);
  const known = byName.length > 0 ? byName : [...onNodes, ...own];
  // A port of the nodes is one of the pod's own, which stands in the list a second time.
  const ports = known.filter((each, index) => each.published !== undefined || known.findIndex(({ service, target }) => service === each.service && target === each.target) === index);
  return healthAddress(url, { services: [], ports, exposed: [] });
}

function portsOf(spec: PodSpec): Readonly<Record<string, unknown>>[] {
  return listOf(spec["containers"]).flatMap((container) => listOf(container["ports"])).filter(({ protocol }) => protocol === undefined || protocol === "TCP");
}

type PodSpec = ReleasePod["pod"]["spec"];

/** What a service leads to, of the release. */
function portsBehind({ spec: { selector, ports } }: LiveService, pods: readonly ReleasePod[], published: (port: LiveService["spec"]["ports"][number]) => number | undefined = ({ port }) => port): Port[] {
  if (Object.keys(selector).length === 0) return [];
  const selected = pods.filter(({ workload: { record } }) => selects({ matchLabels: selector }, record.template.metadata?.labels ?? {}));
  return selected.flatMap(({ pod }) => ports.flatMap((port): Port[] => {
    const target = typeof port.targetPort === "string" ? portNamed(pod.spec, port.targetPort) : (port.targetPort ?? port.port);
    const at = published(port);
    return target === undefined || at === undefined ? [] : [{ service: pod.metadata.name, target, published: String(at) }];
  }));
}

function portNamed(spec: PodSpec, name: string): number | undefined {
  const found = portsOf(spec).find((port) => port["name"] === name);
  return found === undefined ? undefined : Number(found["containerPort"]);
}

function probesOf({ pod }: ReleasePod): { readonly service: string; readonly target: number; readonly path: unknown }[] {
  return listOf(pod.spec["containers"]).flatMap((container) => {
    const { path, port } = objectOf(objectOf(container["readinessProbe"])["httpGet"]);
    const target = typeof port === "string" ? portNamed(pod.spec, port) : typeof port === "number" ? port : undefined;
    return target === undefined ? [] : [{ service: pod.metadata.name, target, path }];
  });
}

/** Every port of TCP that the release's pods may be asked at by one another. */
export function portsWithin(pods: readonly ReleasePod[]): number[] {
  return pods.flatMap(({ pod }) => portsOf(pod.spec).map(({ containerPort }) => Number(containerPort)));
}
