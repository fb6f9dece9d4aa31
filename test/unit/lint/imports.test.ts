/** The direction of imports is the architecture; a rule that lets one through is worse than none. */
import { ESLint } from "eslint";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
// The rules of imports need no types, and a file that is not there has none.
const eslint = new ESLint({ cwd: root, overrideConfig: { languageOptions: { parserOptions: { projectService: false } } }, ruleFilter: ({ ruleId }) => ruleId.startsWith("no-restricted-") });

async function refusals(filePath: string, specifier: string): Promise<string[]> {
  const results = [];
  for (const text of [`import "${specifier}";`, `import type { X } from "${specifier}";`, `export { x } from "${specifier}";`]) {
    const [result] = await eslint.lintText(`${text}\n`, { filePath: join(root, filePath) });
    results.push(result!.messages.filter(({ ruleId }) => ruleId === "no-restricted-imports").length);
    expect(result!.messages.filter(({ fatal }) => fatal)).toEqual([]);
  }
  expect(new Set(results).size, `${filePath} -> ${specifier}: one form is judged otherwise than another`).toBe(1);
  return results[0]! > 0 ? [specifier] : [];
}

const rooms = ["config", "postgres", "pipeline", "store", "catalog", "audit", "lock"];

/** Each file with what it may not import, and what it may; paths are from the file's own folder. */
const files: readonly (readonly [file: string, forbidden: readonly string[], allowed: readonly string[]])[] = [
  ["commands/x.ts", ["../src/postgres/x.ts", "../src/pipeline/x.ts", "../src/store/x.ts", "../src/catalog/x.ts", "../src/audit/x.ts", "../src/lock/x.ts", "../src/process/x.ts"], ["../src/app/x.ts", "../src/cli/x.ts"]],
  ["commands/backup/x.ts", ["../../src/store/x.ts", "../../src/process/x.ts", "../../src/drill/checks/x.ts", "../../src/retention/x.ts"], ["../../src/app/x.ts", "../../src/app/drill/x.ts", "../../src/cli/x.ts"]],
  ["src/app/drill/x.ts", ["../../cli/x.ts", "../../../commands/x.ts"], ["../../drill/x.ts", "../context.ts", "./y.ts"]],
  ["src/catalog/x.ts", ["../drill/x.ts", "../config/x.ts"], ["../audit/x.ts"]],
  ["src/cli/x.ts", ["../../commands/x.ts"], ["../app/x.ts", "../errors.ts", "../ports.ts"]],
  ["src/app/x.ts", ["../../commands/x.ts", "../cli/x.ts"], [...rooms.map((room) => `../${room}/x.ts`), "../process/x.ts", "../errors.ts", "./y.ts"]],
  ...rooms.map((room) => [`src/${room}/x.ts`, ["../../commands/x.ts", "../cli/x.ts", "../app/x.ts"], ["../errors.ts", "../ports.ts", "./y.ts"]] as const),
  ["src/postgres/truth/catalog/x.ts", ["../../../app/x.ts", "../../../cli/x.ts"], ["../query.ts", "../../session.ts", "../../../errors.ts", "../../../process/x.ts"]],
  ["src/catalog/x.ts", ["../app/x.ts"], ["../store/x.ts", "../postgres/x.ts"]],
  ["src/process/x.ts", ["../app/x.ts", ...rooms.map((room) => `../${room}/x.ts`)], ["../errors.ts", "../ports.ts", "./redact.ts"]],
  ["src/store/x.ts", ["../config/x.ts", "../postgres/x.ts", "../catalog/x.ts", "../audit/x.ts", "../lock/x.ts"], ["../process/x.ts", "./store.ts"]],
  ["src/store/s3-x.ts", ["../app/x.ts", "../config/x.ts", "../postgres/x.ts", "../catalog/x.ts"], ["./store.ts", "../errors.ts"]],
  ["src/pipeline/x.ts", ["../config/x.ts", "../postgres/x.ts", "../catalog/x.ts"], ["./join.ts", "../errors.ts"]],
  ["src/pipeline/encrypt-x.ts", ["../app/x.ts", "../config/x.ts", "../postgres/x.ts", "../catalog/x.ts"], ["./join.ts", "../errors.ts"]],
  ["src/config/x.ts", ["../app/x.ts", "../postgres/x.ts", "../pipeline/x.ts", "../store/x.ts", "../catalog/x.ts"], ["../process/x.ts", "../errors.ts"]],
  ["src/text/x.ts", ["../app/x.ts", "../cli/x.ts", "../drill/x.ts", "../process/x.ts"], ["./y.ts"]],
  ["src/errors.ts", ["./app/x.ts", "./process/x.ts", "./config/x.ts", "./store/x.ts"], ["./ports.ts"]],
  ["src/ports.ts", ["./app/x.ts", "./process/x.ts", "./cli/x.ts"], ["./errors.ts"]],
];

test.each(files)("%s imports to the right only", async (file, forbidden, allowed) => {
  for (const specifier of forbidden) expect(await refusals(file, specifier), `${file} -> ${specifier}`).toEqual([specifier]);
  for (const specifier of allowed) expect(await refusals(file, specifier), `${file} -> ${specifier}`).toEqual([]);
});

/** Each package with files that may import it; every other file may not. */
const packages: readonly (readonly [name: string, homes: readonly string[]])[] = [
  ["execa", ["src/process/x.ts"]],
  ["@aws-sdk/client-s3", ["src/store/s3.ts", "src/store/s3-x.ts"]],
  ["@smithy/node-http-handler", ["src/store/s3.ts", "src/store/s3-x.ts"]],
  ["age-encryption", ["src/pipeline/age-keys.ts", "src/pipeline/encrypt.ts", "src/pipeline/encrypt-x.ts"]],
  ["@oclif/core", ["src/cli/x.ts", "commands/x.ts", "commands/backup/x.ts"]],
  ["listr2", ["src/cli/x.ts", "commands/x.ts", "commands/backup/x.ts"]],
  ["node:child_process", []],
  ["child_process", []],
];

const everywhere = ["commands/x.ts", "commands/backup/x.ts", "src/cli/x.ts", "src/app/x.ts", ...rooms.map((room) => `src/${room}/x.ts`), "src/postgres/truth/x.ts", "src/quickstart/x.ts", "src/process/x.ts", "src/store/s3.ts", "src/store/s3-x.ts", "src/pipeline/age-keys.ts", "src/pipeline/encrypt.ts", "src/pipeline/encrypt-x.ts", "src/errors.ts", "src/ports.ts"];

test.each(packages)("%s has its own room only", async (name, homes) => {
  for (const file of everywhere) expect(await refusals(file, name), `${file} -> ${name}`).toEqual(homes.includes(file) ? [] : [name]);
});

test("packages without a room of their own may be imported anywhere", async () => {
  for (const file of everywhere) for (const name of ["zod", "node:fs/promises", "yaml"]) expect(await refusals(file, name), `${file} -> ${name}`).toEqual([]);
});

test("a package whose name only begins like one of those is none of them", async () => {
  expect(await refusals("src/app/x.ts", "execa-like")).toEqual([]);
});

test("an import at run time is refused unless it stays in its room", async () => {
  const messages = async (text: string): Promise<number> => (await eslint.lintText(`${text}\n`, { filePath: join(root, "src/store/x.ts") }))[0]!.messages.length;
  expect(await messages('await import("./s3.ts");')).toBe(0);
  for (const specifier of ["execa", "@aws-sdk/client-s3", "node:child_process", "../app/x.ts"]) expect(await messages(`await import("${specifier}");`), specifier).toBe(1);
});
