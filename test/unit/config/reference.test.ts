import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseDocument } from "yaml";

import { errorTable } from "../../../src/errors.ts";
import { envVariables, fields } from "../../../src/config/fields.ts";
import { generatedFiles } from "../../../src/config/reference.ts";
import { workspace } from "./workspace.ts";

const root = join(import.meta.dirname, "../../..");

test.each(generatedFiles())("$path is what `npm run generate` writes", async ({ path, text }) => {
  expect(await readFile(join(root, path), "utf8")).toBe(text);
});

const textOf = (path: string): string => generatedFiles().find((file) => file.path === path)?.text ?? "";

test("every field is described, and every variable is documented and in the example", () => {
  for (const { path, description, type } of fields) {
    expect(description, path.join(".")).toMatch(/^\S.+\.$/s);
    expect(type).not.toBe("");
  }
  for (const { name } of envVariables) {
    expect(textOf("docs/reference/configuration.md")).toContain(`\`${name}\``);
    expect(textOf(".env.example")).toContain(`\n#${name}=`);
  }
});

test("every exit code is documented", () => {
  for (const [code, { exit, meaning }] of Object.entries(errorTable)) expect(textOf("docs/reference/exit-codes.md")).toContain(`| ${exit} | \`${code}\` | ${meaning} |`);
});

test("the page's own example is a configuration that loads", async () => {
  const example = /```yaml\n(.*?)```/s.exec(textOf("docs/reference/configuration.md"))?.[1] ?? "";
  const content = parseDocument(example).toJS() as { databases: { clinic: { url: unknown } } };
  content.databases.clinic.url = { command: ["echo", "service=clinic"] };
  const { load } = await workspace({ "holdfast.yaml": JSON.stringify(content) });
  expect([...(await load({ EHR_DATABASE_URL: "service=ehr" })).databases.keys()]).toEqual(["ehr", "clinic"]);
});
