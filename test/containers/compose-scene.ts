/** A Compose project whose rollback's steps are run one by one, and what its engine says of it. */
import { composePlatform } from "../../src/rollback/platform/compose/compose-platform.ts";
import { type Platform, type PlatformState, platformStateShape } from "../../src/rollback/platform/platform.ts";
import type { PreflightFinding } from "../../src/rollback/finding.ts";
import type { RollbackStep } from "../../src/rollback/step.ts";
import { composeApp, type ComposeApp } from "../harness/compose-app.ts";

export const never = new AbortController().signal;

export const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);
export const startOf = (platform: Platform, target: PlatformState, now: PlatformState): RollbackStep => platform.startTarget(target, now)[0]!;
export const finding = (findings: readonly PreflightFinding[], id: string): PreflightFinding | undefined => findings.find((one) => one.id === id);
/** As a plan in a file has it. */
export const asRead = (state: PlatformState): PlatformState => platformStateShape.parse(JSON.parse(JSON.stringify(state)));

export const imagesOf = async (app: ComposeApp, service: string): Promise<string[]> => (await app.containers(service)).map(({ image }) => image);
export const idsOf = async (app: ComposeApp, service: string): Promise<string[]> => (await app.containers(service)).map(({ id }) => id);

export interface Released {
  readonly app: ComposeApp;
  readonly platform: Platform;
  /** As it was when 1.4.1 ran. */
  readonly target: PlatformState;
  /** As it is, with 1.4.2. */
  readonly now: PlatformState;
}

/** Release 1.4.2, deployed over 1.4.1. @param meanwhile - what else happens before it is looked at */
export async function released(meanwhile: (app: ComposeApp) => Promise<unknown> = () => Promise.resolve()): Promise<Released> {
  const app = await composeApp();
  const platform = composePlatform(app.settings);
  await app.deploy("1.4.1");
  const target = asRead(await platform.capture(never));
  await app.deploy("1.4.2");
  await meanwhile(app);
  return { app, platform, target, now: asRead(await platform.capture(never)) };
}
