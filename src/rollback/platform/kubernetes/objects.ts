/** What is read of Kubernetes' objects. Fields that are not named here are kept as they are. */
import { z } from "zod";

const labels = z.record(z.string(), z.string());

const owner = z.looseObject({ apiVersion: z.string(), kind: z.string(), name: z.string(), uid: z.string(), controller: z.boolean().optional() });

const metadata = z.looseObject({
  name: z.string(),
  uid: z.string(),
  generation: z.int().default(0),
  deletionTimestamp: z.string().optional(),
  labels: labels.default({}),
  annotations: labels.default({}),
  ownerReferences: z.array(owner).default([]),
});

const reference = z.looseObject({ name: z.string().optional(), optional: z.boolean().optional() });

const container = z.looseObject({
  name: z.string(),
  image: z.string(),
  imagePullPolicy: z.string().optional(),
  env: z
    .array(z.looseObject({ name: z.string(), value: z.string().optional(), valueFrom: z.looseObject({ configMapKeyRef: reference.optional(), secretKeyRef: reference.optional() }).optional() }))
    .optional(),
  envFrom: z.array(z.looseObject({ configMapRef: reference.optional(), secretRef: reference.optional() })).optional(),
  readinessProbe: z.looseObject({}).optional(),
});
export type Container = z.infer<typeof container>;

const volume = z.looseObject({
  configMap: reference.optional(),
  secret: z.looseObject({ secretName: z.string().optional(), optional: z.boolean().optional() }).optional(),
  projected: z.looseObject({ sources: z.array(z.looseObject({ configMap: reference.optional(), secret: reference.optional() })).nullish() }).optional(),
});

/** A pod's template as a workload, a ReplicaSet or a ControllerRevision holds it. */
export const podTemplate = z.looseObject({
  metadata: z.looseObject({ labels: labels.optional(), annotations: labels.optional() }).optional(),
  spec: z.looseObject({ containers: z.array(container).min(1), initContainers: z.array(container).optional(), volumes: z.array(volume).optional() }),
});
export type PodTemplate = z.infer<typeof podTemplate>;

/** A selector of labels, as workloads and disruption budgets write it. */
export const labelSelector = z.looseObject({
  matchLabels: labels.optional(),
  matchExpressions: z.array(z.looseObject({ key: z.string(), operator: z.string(), values: z.array(z.string()).optional() })).optional(),
});
export type LabelSelector = z.infer<typeof labelSelector>;

const condition = z.looseObject({ type: z.string(), status: z.string(), reason: z.string().nullish(), message: z.string().nullish() });

export const workloadObject = z.looseObject({
  kind: z.enum(["Deployment", "StatefulSet"]),
  metadata,
  spec: z.looseObject({
    replicas: z.int().nonnegative().default(1),
    paused: z.boolean().default(false),
    selector: labelSelector,
    template: podTemplate,
    revisionHistoryLimit: z.int().optional(),
    persistentVolumeClaimRetentionPolicy: z.looseObject({ whenScaled: z.string().optional() }).optional(),
    volumeClaimTemplates: z.array(z.unknown()).default([]),
    updateStrategy: z.looseObject({ type: z.string().optional(), rollingUpdate: z.looseObject({ partition: z.int().optional() }).optional() }).optional(),
  }),
  status: z
    .looseObject({ observedGeneration: z.int().default(0), updateRevision: z.string().optional(), conditions: z.array(condition).default([]) })
    .default({ observedGeneration: 0, conditions: [] }),
});
export type WorkloadObject = z.infer<typeof workloadObject>;

const replicaSet = z.looseObject({ kind: z.literal("ReplicaSet"), metadata, spec: z.looseObject({ template: podTemplate }) });

const controllerRevision = z.looseObject({
  kind: z.literal("ControllerRevision"),
  metadata,
  revision: z.int(),
  data: z.looseObject({ spec: z.looseObject({ template: podTemplate }) }),
});

/** What keeps a template of a Deployment or a StatefulSet. */
export type TemplateHolder = z.infer<typeof replicaSet> | z.infer<typeof controllerRevision>;

const containerStatus = z.looseObject({
  name: z.string(),
  image: z.string().default(""),
  imageID: z.string().default(""),
  ready: z.boolean().default(false),
  restartCount: z.int().default(0),
  state: z
    .looseObject({
      waiting: z.looseObject({ reason: z.string().optional(), message: z.string().optional() }).optional(),
      terminated: z.looseObject({ reason: z.string().optional(), exitCode: z.int().optional() }).optional(),
    })
    .default({}),
});

export const pod = z.looseObject({
  kind: z.literal("Pod"),
  metadata,
  status: z.looseObject({
    phase: z.string().default("Pending"),
    conditions: z.array(condition).default([]),
    containerStatuses: z.array(containerStatus).default([]),
    initContainerStatuses: z.array(containerStatus).default([]),
  }),
});
export type Pod = z.infer<typeof pod>;

export const belongingObjects = z.looseObject({ items: z.array(z.discriminatedUnion("kind", [replicaSet, controllerRevision, pod])) });

/** A ConfigMap or a Secret. What is in it goes nowhere. */
export const settingObject = z.looseObject({
  metadata,
  type: z.string().optional(),
  data: labels.default({}),
  binaryData: labels.default({}),
});
export type SettingObject = z.infer<typeof settingObject>;

export const budgets = z.looseObject({
  items: z.array(z.looseObject({ metadata, spec: z.looseObject({ selector: labelSelector.optional() }), status: z.looseObject({ disruptionsAllowed: z.int().default(0) }) })),
});

/** Whatever keeps pods running. */
export const runningObjects = z.looseObject({
  items: z.array(z.looseObject({ kind: z.string(), metadata, spec: z.looseObject({ replicas: z.int().optional(), template: podTemplate }) })),
});

export const autoscalers = z.looseObject({
  items: z.array(z.looseObject({ metadata, spec: z.looseObject({ scaleTargetRef: z.looseObject({ kind: z.string(), name: z.string() }), minReplicas: z.int().default(1), maxReplicas: z.int() }) })),
});

export const jobs = z.looseObject({
  items: z.array(
    z.looseObject({
      metadata,
      spec: z.looseObject({ suspend: z.boolean().default(false) }),
      status: z.looseObject({ active: z.int().default(0), conditions: z.array(condition).default([]) }).default({ active: 0, conditions: [] }),
    }),
  ),
});

export const cronJobs = z.looseObject({ items: z.array(z.looseObject({ metadata, spec: z.looseObject({ suspend: z.boolean().default(false), schedule: z.string() }) })) });

/** A custom resource of Argo CD or Flux, which says whether it is suspended. */
export const reconciled = z.looseObject({
  metadata,
  spec: z.looseObject({
    suspend: z.boolean().default(false),
    syncPolicy: z.looseObject({ automated: z.looseObject({ enabled: z.boolean().optional() }).nullish() }).nullish(),
  }),
});
