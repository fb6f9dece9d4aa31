/** Where a repository lies, as an operator writes it: `file:///path` or `s3://bucket/prefix?region=…`. */
import { fileURLToPath } from "node:url";

import { HoldfastError } from "../errors.ts";
import type { StoreOptions } from "./options.ts";

export type Location =
  | { readonly scheme: "file"; readonly path: string }
  | { readonly scheme: "s3"; readonly bucket: string; readonly prefix: string; readonly options: StoreOptions };

const forms = "Write file:///absolute/path or s3://bucket/prefix?region=…&endpoint=http://host:port&path-style=true.";

function malformed(message: string): HoldfastError {
  return new HoldfastError("configuration", message, { hints: [forms] });
}

/**
 * Reads a location; its query wins over `options`.
 * @throws HoldfastError `configuration` naming the rule that the location breaks; never with the location itself where it may hold a secret
 */
export function parseLocation(location: string, options: StoreOptions = {}): Location {
  if (!URL.canParse(location)) throw malformed("the repository's location is not a URL");
  const url = new URL(location);
  if (url.username !== "" || url.password !== "") {
    throw new HoldfastError("configuration", "the repository's location holds credentials; they do not belong into it", {
      hints: ["Give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or as a profile."],
    });
  }
  if (url.hash !== "") throw malformed("the repository's location has a fragment (#…), which means nothing here");
  if (url.protocol === "file:") return { scheme: "file", path: folderOf(url, options) };
  if (url.protocol === "s3:") return { scheme: "s3", ...bucketOf(url), options: { ...options, ...queryOf(url) } };
  throw malformed(`unknown kind of repository "${url.protocol}": only file: and s3: are known`);
}

function folderOf(url: URL, options: StoreOptions): string {
  if (url.search !== "") throw malformed(`unknown parameter "${parametersOf(url)[0]?.[0] ?? ""}": a file: location has none`);
  if (url.host !== "") throw malformed(`a file: location has three slashes before its path, "${url.host}" stands where a host would`);
  if (url.pathname === "/") throw malformed("the root folder cannot be a repository");
  if (options.objectLock) throw new HoldfastError("configuration", "object lock needs an s3: repository, a folder cannot lock objects");
  try {
    return fileURLToPath(url).replace(/\/+$/, "");
  } catch {
    throw malformed("the path of the file: location is malformed: an encoded slash, or broken percent-encoding");
  }
}

function bucketOf(url: URL): { bucket: string; prefix: string } {
  const bucket = url.hostname;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$/.test(bucket) || url.port !== "") {
    throw malformed(`"${url.host}" is not a bucket's name: letters, digits, dots and hyphens, 3 characters or more`);
  }
  let prefix: string;
  try {
    prefix = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, "");
  } catch {
    throw malformed("the prefix of the s3: location has broken percent-encoding");
  }
  if (prefix.split("/").some((segment, _, all) => (segment === "" && all.length > 1) || segment === "..")) {
    throw malformed(`the prefix "${prefix}" has an empty or ".." segment`);
  }
  return { bucket, prefix };
}

function parametersOf(url: URL): [string, string][] {
  return [...url.searchParams];
}

function queryOf(url: URL): StoreOptions {
  let found: StoreOptions = {};
  const seen = new Set<string>();
  for (const [name, value] of parametersOf(url)) {
    if (seen.has(name)) throw malformed(`the parameter "${name}" is given twice`);
    seen.add(name);
    if (value === "") throw malformed(`the parameter "${name}" is empty`);
    if (name === "region") found = { ...found, region: value };
    else if (name === "endpoint") found = { ...found, endpoint: endpointOf(value) };
    else if (name === "path-style") found = { ...found, pathStyle: booleanOf(name, value) };
    else throw malformed(`unknown parameter "${name}": an s3: location knows region, endpoint and path-style`);
  }
  return found;
}

function booleanOf(name: string, value: string): boolean {
  if (value !== "true" && value !== "false") throw malformed(`the parameter "${name}" is "${value}": it must be true or false`);
  return value === "true";
}

/** Checks an endpoint's form and returns its bare origin and path. */
function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) throw malformed("the endpoint is not an http: or https: URL");
  if (url.username !== "" || url.password !== "") throw malformed("the endpoint holds credentials; they do not belong into it");
  if (url.search !== "" || url.hash !== "") throw malformed("the endpoint has a query or a fragment; only scheme, host, port and path belong into it");
  return url.href.replace(/\/$/, "");
}

/** The endpoint that the SDK will take, as far as it can be known without asking its configuration files. */
export function endpointIn({ endpoint = process.env["AWS_ENDPOINT_URL_S3"] ?? process.env["AWS_ENDPOINT_URL"] }: StoreOptions): string | undefined {
  return endpoint === undefined || endpoint === "" ? undefined : endpointOf(endpoint);
}
