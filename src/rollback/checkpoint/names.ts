/** Names of checkpoints: the coming release and when, so that a person finds them in a listing of the repository. */
import { compactTime } from "../../catalog/layout.ts";
import { HoldfastError } from "../../errors.ts";

const releasePattern = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$/;
const idPattern = /^(?<release>[A-Za-z0-9][A-Za-z0-9._+-]{0,79})-(?<at>\d{8}T\d{6}Z)$/;
/** The ending of what was seen after a deploy: a release of such a name would be taken for one. */
const deployedPattern = /^(?<checkpoint>.+-\d{8}T\d{6}Z)\.deployed-(?<at>\d{8}T\d{6}Z)$/;

/** @throws HoldfastError `usage` for a name that is none of a release */
export function checkRelease(name: string, flag: string): string {
  const example = `Write it as in ${flag} 1.4.2.`;
  if (!releasePattern.test(name)) throw new HoldfastError("usage", `${flag} ${JSON.stringify(name.slice(0, 100))} is not the name of a release: letters, digits and . _ + - only, a letter or digit first, 80 at most`, { hints: [example] });
  if (deployedPattern.test(`${name}-20261121T020000Z`)) throw new HoldfastError("usage", `${flag} ${name} ends as the records of a checkpoint do, which it must not`, { hints: [example] });
  return name;
}

export function isRelease(name: string): boolean {
  return releasePattern.test(name);
}

/** `1.4.2-20261121T020000Z`. */
export function checkpointId(release: string, at: Date): string {
  return `${release}-${compactTime(at)}`;
}

/** The coming release inside such an id, and the second that it names; undefined if it is none. */
export function partsOfCheckpointId(id: string): { readonly release: string; readonly at: Date } | undefined {
  const { release, at } = idPattern.exec(id)?.groups ?? {};
  const time = at === undefined ? undefined : instantOf(at);
  return release === undefined || time === undefined || deployedPattern.test(id) ? undefined : { release, at: time };
}

/** What an object of the checkpoints' folder is, by its name without `.json`. */
export function partsOfDeployedName(name: string): { readonly checkpoint: string; readonly at: Date } | undefined {
  const { checkpoint, at } = deployedPattern.exec(name)?.groups ?? {};
  const time = at === undefined ? undefined : instantOf(at);
  return checkpoint === undefined || time === undefined ? undefined : { checkpoint, at: time };
}

function instantOf(compact: string): Date | undefined {
  const at = new Date(compact.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  return Number.isNaN(at.getTime()) ? undefined : at;
}
