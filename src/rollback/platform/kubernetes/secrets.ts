/** What of a pod template may be a secret, though Kubernetes has a place for secrets. */
import { redact } from "../../../process/redact.ts";
import { keyedSha256 } from "./json.ts";

const secretName =
  /pass(?:wo?r?d|wd|phrase|code|$|[_.-])|(?:^|[_.-])(?:pwd|pat|pin|dsn|cookie|session|signature|cert|salt|pepper|jwt)(?:$|[_.-])|secret|token|credential|private|auth(?!or(?!iz))|key$|key[_.-]|conn(?:ection)?_?str|database_?url/i;
/** Long, unbroken, of letters and digits: what generators of keys make. */
const generated = /(?=[\w+/=-]*[0-9])(?=[\w+/=-]*[A-Za-z])[\w+/=-]{20,}/;
const assignment = /([\w.-]+)\s*=\s*["']?([^\s"';&]+)/g;

/** Whether the value of a variable, a header or an annotation must not be kept. */
function looksSecret(name: string, value: string): boolean {
  return value !== "" && (secretName.test(name) || redact(value) !== value || generated.test(value));
}

/** Whether a text (an argument, a command, a URL) holds one. */
function holdsSecret(text: string): boolean {
  return redact(text) !== text || [...text.matchAll(assignment)].some(([, name = "", value = ""]) => looksSecret(name, value));
}

/**
 * A pod template without what looks secret in it, each such value replaced by `hmac-sha256:…`: values of variables, headers and
 * annotations by their name or their shape, arguments and other texts by what they assign.
 * @param uid - of the workload, which keys the hashes
 */
export function withoutSecrets(value: unknown, uid: string): unknown {
  if (typeof value === "string") return holdsSecret(value) ? hashed(value, uid) : value;
  if (Array.isArray(value)) return value.map((item, index) => (followsSecretFlag(value, index) ? hashed(String(item), uid) : withoutSecrets(item, uid)));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, memberWithoutSecrets(value, key, member, uid)]));
}

function memberWithoutSecrets(holder: object, key: string, member: unknown, uid: string): unknown {
  if (key === "value" && typeof member === "string" && "name" in holder && typeof holder.name === "string" && looksSecret(holder.name, member)) return hashed(member, uid);
  if (key !== "annotations" || typeof member !== "object" || member === null) return withoutSecrets(member, uid);
  return Object.fromEntries(Object.entries(member).map(([name, text]) => [name, typeof text === "string" && looksSecret(name, text) ? hashed(text, uid) : text]));
}

/** `["--password", "…"]` */
function followsSecretFlag(items: readonly unknown[], index: number): boolean {
  const [flag, item] = [items[index - 1], items[index]];
  return typeof flag === "string" && typeof item === "string" && /^--?[\w-]+$/.test(flag) && !item.startsWith("-") && secretName.test(flag);
}

function hashed(value: string, uid: string): string {
  return `hmac-sha256:${keyedSha256(uid, value)}`;
}

/** Whether somewhere in it a value stands only as its hash. */
export function holdsHashed(value: unknown): boolean {
  if (typeof value === "string") return /hmac-sha256:[0-9a-f]{64}/.test(value);
  return typeof value === "object" && value !== null && Object.values(value).some(holdsHashed);
}
