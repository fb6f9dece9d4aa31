/**
 * The application tried on the copy. What it writes may hold rows, so only its exit status and how much it wrote are
 * told; what it is asked over HTTP is judged by status and pattern.
 */
import type { SmokeTest } from "../../config/drill-settings.ts";
import { throwIfCancelled } from "../../errors.ts";
import { type GroupEnd, type RunningGroup, startGroup } from "../../process/group.ts";
import { shownUrl } from "../../text/shown-url.ts";
import type { Finding } from "./check.ts";
import { isAnswered, probeUntilAnswered } from "./probe.ts";

export interface SmokePlace {
  /** Of the copy; undefined where it cannot be reached from this host. */
  readonly url: string | undefined;
  readonly signal: AbortSignal;
  /** Id of the drill, which the command and all that it starts carry as HOLDFAST_DRILL: so they are found if we are killed. */
  readonly drill: string;
  /** What the command finds in its environment besides. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folder that the command runs in; the current one if absent. */
  readonly cwd?: string;
}

/** @throws the cancellation; whatever was started has ended when this settles */
export async function runSmokeTest(test: SmokeTest, { url, signal, drill, env, cwd }: SmokePlace): Promise<Finding> {
  if (url === undefined) return unverified("the scratch cannot be reached from this host, so the application cannot be tried on it");
  throwIfCancelled(signal);
  const { command, http } = test;
  if (http !== undefined && command !== undefined && (await isAnswered(http.url, signal))) {
    return unverified(`something answers at ${shownUrl(http.url)} already, before the command was started: its answers would prove nothing about the copy`);
  }
  const time = AbortSignal.timeout(test.timeoutMs);
  const running = command && startGroup(command, { env: { ...env, DATABASE_URL: url, HOLDFAST_DRILL: drill }, ...(cwd !== undefined && { cwd }) });
  let finding: Finding;
  try {
    finding = await judged(test, running, AbortSignal.any([signal, time]));
  } finally {
    await running?.end();
  }
  throwIfCancelled(signal);
  if (running === undefined) return finding;
  const left = await running.end();
  const { stdout, stderr } = running.bytes();
  return { ...finding, detail: `${finding.detail}; it wrote ${stdout} bytes to stdout and ${stderr} to stderr${left ? "" : "; processes that it started could not be ended"}` };
}

async function judged(test: SmokeTest, running: RunningGroup | undefined, until: AbortSignal): Promise<Finding> {
  const seconds = test.timeoutMs / 1000;
  if (test.http === undefined) {
    const end = await Promise.race([running?.ended, aborted(until)]);
    if (end === undefined) return fail(`the command did not end within ${seconds} s`);
    return end.how === "exited" && end.code === 0 ? pass("the command exited with 0") : endedWrongly(end, "the command");
  }
  const where = shownUrl(test.http.url);
  const stop = new AbortController();
  const probing = probeUntilAnswered(test.http, AbortSignal.any([until, stop.signal]));
  const first = await Promise.race([probing, ...(running ? [running.ended] : [])]);
  stop.abort();
  const { answered, last, attempts } = await probing;
  if ("how" in first) return endedWrongly(first, `before ${where} answered as expected, the command`);
  if (!answered) return fail(`${where} did not answer as expected (status ${test.http.status}${test.http.bodyMatches === undefined ? "" : " and a matching body"}) within ${seconds} s; the last of ${attempts} attempts: ${last}`);
  const served = running ? "" : "; no command was started for it, so only its operator knows that it runs on the copy";
  return pass(`${where} answered with ${last}${served}`);
}

function endedWrongly(end: GroupEnd, subject: string): Finding {
  if (end.how === "missing") return unverified(`the command could not be run (${end.code})`);
  return fail(`${subject} ${end.how === "exited" ? `exited with ${end.code}` : `was ended by ${end.signal}`}`);
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => { signal.addEventListener("abort", () => { resolve(undefined); }, { once: true }); });
}

const pass = (detail: string): Finding => ({ outcome: "pass", detail });
const fail = (detail: string): Finding => ({ outcome: "fail", detail });
const unverified = (detail: string): Finding => ({ outcome: "unverified", detail });
