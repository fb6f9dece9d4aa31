/**
 * The syntax of connection strings: URLs as libpq, Node and Prisma write them, `socket:` URLs, and libpq's
 * `keyword=value` strings, all turned into libpq's keywords.
 *
 * pg-connection-string splits and decodes the user and the password, as the applications that use it do. The rest is
 * ours, because it knows neither lists of hosts nor a `/` in a database's name, reads certificate files, and takes `+`
 * for a space. Messages never quote a part that could belong to a password which was not percent-encoded.
 */
import { parse as parseUserInfo } from "pg-connection-string";

import { HoldfastError } from "../errors.ts";

export interface ParsedString {
  /** By keyword (`host`, `port`, `user`, `password`, `dbname`…) or application parameter; the last one wins, as in libpq. */
  readonly settings: ReadonlyMap<string, string>;
  /** Whether parameters of applications are to be expected. */
  readonly form: "url" | "keywords";
}

export function wrong(problem: string, ...hints: string[]): HoldfastError {
  return new HoldfastError("configuration", problem, {
    hints: hints.length > 0 ? hints : ["Write it as postgresql://user:password@host:5432/database, with special characters percent-encoded."],
  });
}

/** @throws HoldfastError `configuration`; no message quotes a password */
export function parseConnectionString(text: string): ParsedString {
  const given = text.trim();
  if (given === "") throw wrong("the database URL is empty");
  if (given.includes("\0")) throw wrong("the database URL holds a zero byte");
  const scheme = /^(?:jdbc:)?([a-z][a-z0-9+.-]*):/i.exec(given)?.[1]?.toLowerCase();
  if (scheme === "socket") return { settings: socketUrl(given), form: "url" };
  if (scheme !== undefined && /^postgres(?:ql)?(?:\+\w+)?$/.test(scheme)) return { settings: serverUrl(given), form: "url" };
  if (given.startsWith("/")) {
    const [folder = "", ...database] = given.split(" ");
    return { settings: compact([["host", folder], ["dbname", database.join(" ")]]), form: "url" };
  }
  if (/^[a-z_]+\s*=/.test(given)) return { settings: keywords(given), form: "keywords" };
  if (scheme !== undefined && given.includes("://")) throw wrong(`the database URL's scheme is ${scheme}, but must be postgresql`);
  throw wrong("the database URL is neither a postgresql:// URL nor a libpq keyword string");
}

function compact(pairs: Iterable<readonly [string, string]>): Map<string, string> {
  return new Map([...pairs].filter(([, value]) => value !== ""));
}

const mustEncode = "a user name, password or database name in the database URL holds one of / ? # @ and must have it percent-encoded";

function serverUrl(url: string): Map<string, string> {
  const [, afterScheme] = /^[^/]*:\/\/(.*)$/s.exec(url) ?? [];
  if (afterScheme === undefined) throw wrong("the database URL lacks the // after its scheme");
  const [, authority = "", path = "", query = ""] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(afterScheme) ?? [];
  const at = authority.lastIndexOf("@");
  const hosts = hostList(authority.slice(at + 1));
  if (path.includes("#") || query.includes("#") || path.includes("@")) throw wrong(mustEncode);
  return compact([
    ...hosts,
    ["dbname", decoded(path, "database name")],
    ...userInfo(authority.slice(0, Math.max(at, 0))),
    ...parameters(query),
  ]);
}

function socketUrl(url: string): Map<string, string> {
  const [, info = "", folder, query = ""] = /^socket:(?:\/\/(?:([^/]*)@)?)?(\/[^?]*)(?:\?(.*))?$/is.exec(url) ?? [];
  if (folder === undefined) throw wrong("the socket: URL must name the socket's folder", "Write it as socket:/var/run/postgresql?db=database.");
  const settings = compact([["host", decoded(folder, "socket folder")], ...userInfo(info), ...parameters(query)]);
  const database = settings.get("db");
  if (database !== undefined) settings.set("dbname", database);
  settings.delete("db");
  settings.delete("encoding");
  return settings;
}

function userInfo(info: string): [string, string][] {
  if (info === "") return [];
  // What is not an escape is meant literally. Left as it is, it would make the package re-encode the escapes too.
  const url = `postgresql://${info.replaceAll(/%(?![0-9a-f]{2})/gi, "%25").replaceAll(/[\s#]/g, encodeURIComponent)}@host/`;
  try {
    const { user = "", password = "" } = parseUserInfo(url);
    if (user.includes("\0") || password.includes("\0")) throw new Error("zero byte");
    return [["user", user], ["password", password]];
  } catch {
    // Its error quotes the URL.
    throw wrong("the user name or the password in the database URL cannot be decoded");
  }
}

/** `h1:1,[::1]:2,%2Fvar%2Frun` */
function hostList(list: string): [string, string][] {
  if (list === "") return [];
  const parts = list.split(",").map((part) => {
    const [, bracketed, plain = "", port = ""] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(part) ?? [undefined, undefined, undefined, "?"];
    // Not quoted: of `user:pa/ss@host` this is `pa`.
    if (port !== "" && !/^\d+$/.test(port)) throw wrong(`the port in the database URL is no number, or ${mustEncode}`);
    return { host: decoded(bracketed ?? plain, "host"), port };
  });
  if (parts.some(({ host }) => host.includes("#"))) throw wrong(mustEncode);
  return [
    ["host", parts.map(({ host }) => host).join(",")],
    ["port", parts.every(({ port }) => port === "") ? "" : parts.map(({ port }) => port).join(",")],
  ];
}

function parameters(query: string): [string, string][] {
  return query.split("&").filter((pair) => pair !== "").map((pair) => {
    const [name = "", ...value] = pair.split("=");
    if (!/^[a-z_][\w.-]*$/i.test(name)) throw wrong(`the database URL has a parameter without a proper name, or ${mustEncode}`);
    return [name, decoded(value.join("="), "parameter")];
  });
}

function decoded(text: string, what: string): string {
  try {
    const plain = decodeURIComponent(text);
    if (!plain.includes("\0")) return plain;
  } catch {
    // falls through
  }
  throw wrong(`a ${what} in the database URL is not well percent-encoded`);
}

/** libpq's own rules: optional spaces around `=`, values in single quotes or up to a space, backslash escapes. */
function keywords(text: string): Map<string, string> {
  const settings: [string, string][] = [];
  let rest = text;
  while (rest !== "") {
    const [whole, name, value = ""] = /^([a-z_]+)\s*=\s*('(?:\\.|[^'\\])*'|(?:\\.|[^\s'\\])*)(?:\s+|$)/s.exec(rest) ?? [];
    if (whole === undefined || name === undefined) throw wrong("the connection string is no list of keyword=value", "Put values with spaces in single quotes, and \\ before a quote.");
    settings.push([name, (value.startsWith("'") ? value.slice(1, -1) : value).replaceAll(/\\(.)/gs, "$1")]);
    rest = rest.slice(whole.length);
  }
  return compact(settings);
}
