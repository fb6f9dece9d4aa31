/** What the configuration says about a database's drills. */

export const providerNames = ["local", "docker", "server"] as const;
export type ProviderName = (typeof providerNames)[number];

/** What a query's answer must be. A query answers one row with one column; `nonEmpty` any number of rows. */
export type Expectation =
  | { readonly equals: string | number | boolean }
  | { readonly min?: number | undefined; readonly max?: number | undefined }
  | { readonly nonEmpty: true }
  | { readonly matches: string };

export interface Assertion {
  readonly name: string;
  readonly sql: string;
  readonly expect: Expectation;
  /** Whether the value found may stand in the evidence. */
  readonly sensitive: boolean;
}

/** How the application is tried on the copy; both find the copy's URL in DATABASE_URL. */
export interface SmokeTest {
  /** A program and its arguments; exit 0 passes. */
  readonly command?: readonly [string, ...string[]] | undefined;
  /** Asked until it answers with the status, while `command`, if there is one, runs. */
  readonly http?: { readonly url: string; readonly status: number; readonly bodyMatches?: string | undefined } | undefined;
  readonly timeoutMs: number;
}

export interface DrillSettings {
  /** Undefined: the first that can be used, in the order local, docker, server. */
  readonly scratch: ProviderName | undefined;
  /** Image of the docker scratch; `{major}` stands for the source's major version. */
  readonly image: string;
  /** Where the docker scratch keeps its data. */
  readonly storage: "tmpfs" | "volume";
  /** URL of the server for the server scratch; secret. */
  readonly server: string | undefined;
  /** Whether that may be the very server that was backed up. */
  readonly allowSourceServer: boolean;
  readonly ttlMs: number;
  readonly rtoMs: number | undefined;
  readonly rpoMs: number | undefined;
  readonly assertions: readonly Assertion[];
  readonly smoke: SmokeTest | undefined;
  /** Reference of the section of the contingency plan. */
  readonly plan: string | undefined;
  readonly requirement: string;
  /** Days between two drills before the next is overdue. */
  readonly everyDays: number;
  /** Who has to see to it that what a drill found is mended. */
  readonly owner: string | undefined;
  /** Days in which that has to be done. */
  readonly correctWithinDays: number;
}

/** What holds where the configuration says nothing. A drill needs no objective to be worth running, but it is due every month. */
export const drillDefaults: DrillSettings = {
  scratch: undefined,
  image: "postgres:{major}",
  storage: "volume",
  server: undefined,
  allowSourceServer: false,
  ttlMs: 6 * 3_600_000,
  rtoMs: undefined,
  rpoMs: undefined,
  assertions: [],
  smoke: undefined,
  plan: undefined,
  requirement: "45 CFR 164.308(a)(7)(ii)(D)",
  everyDays: 31,
  owner: undefined,
  correctWithinDays: 14,
};
