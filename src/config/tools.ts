/**
 * `tools: docker exec NAME` as a command prefix. The prefix never asks for a terminal: with one, Docker rewrites
 * line ends in the stream and a dump arrives damaged, with exit status 0.
 */

/** A prefix, or the rule that the words break (beginning with "must"). */
export type ParsedTools = { readonly prefix: readonly string[] } | { readonly rule: string };

const engines = new Set(["docker", "podman"]);
/** Options of `exec` that take the next word as their value. */
const valued = new Set(["-u", "--user", "-e", "--env", "-w", "--workdir", "--env-file", "--index", "--detach-keys"]);

/** Words of a command as a shell would split them, without expansions; undefined if a quote is left open. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let rest = text.trim();
  while (rest !== "") {
    const [word = ""] = /^(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+/s.exec(rest) ?? [];
    if (word === "") return undefined;
    words.push(word.replaceAll(/\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)"/gs, (_, escaped?: string, single?: string, double?: string) => escaped ?? single ?? (double ?? "").replaceAll(/\\(["\\$`])/g, "$1")));
    const after = rest.slice(word.length);
    rest = after.trimStart();
    if (rest !== "" && after === rest) return undefined;
  }
  return words;
}

/** Understands `docker exec NAME` and `docker compose exec SERVICE` (podman likewise) with their options. */
export function parseTools(given: string | readonly string[]): ParsedTools {
  const words = typeof given === "string" ? splitWords(given) : [...given];
  const rule = { rule: "must be `docker exec NAME` or `docker compose exec SERVICE`" };
  const program = words?.[0]?.split("/").at(-1);
  if (words === undefined || program === undefined) return rule;
  if (program === "docker-compose") return { rule: "must use `docker compose`: version 1, `docker-compose`, reports success for commands that failed" };
  const exec = words.indexOf("exec");
  if (!engines.has(program) || exec < 1) return rule;
  const compose = words.slice(1, exec).includes("compose");

  const options: string[] = [];
  let at = exec + 1;
  for (let word = words[at]; word?.startsWith("-") === true; word = words[++at]) {
    const name = word.split("=", 1)[0] ?? word;
    const broken = brokenRule(word, compose);
    if (broken !== undefined) return { rule: broken };
    if (isInput(word)) continue;
    options.push(word);
    const value = valued.has(word) ? words[++at] : undefined;
    if (value !== undefined) options.push(value);
    const assigned = value ?? word.slice(name.length + 1);
    if (/^PG(?:PASSWORD|PASSFILE)=/.test(assigned)) return { rule: "must not carry PGPASSWORD: other users of the machine see it in the list of processes" };
  }
  const [container, ...more] = words.slice(at);
  if (container === undefined) return rule;
  if (more.length > 0) return { rule: "must end with the container's name: holdfast adds the tool itself" };
  return { prefix: [...words.slice(0, exec + 1), compose ? "-T" : "-i", ...options, container] };
}

/** `-i` is set by us, also as a part of nothing else; `-T` likewise. */
function isInput(word: string): boolean {
  return /^(?:-i|-T|--interactive(?:=true)?|--no-tty|--no-TTY)$/.test(word);
}

function brokenRule(word: string, compose: boolean): string | undefined {
  if (/^-[itd]*t[itd]*$/.test(word) || /^--tty(?!=false)/.test(word)) return "must not ask for a terminal (-t): it damages a dump";
  if (/^-[itd]*d[itd]*$/.test(word) || /^--detach(?:=true)?$/.test(word)) return "must not detach (-d): the tool's output would be lost";
  if (word === "-T" && !compose) return "must not use -T, which `docker exec` does not know";
  return undefined;
}
