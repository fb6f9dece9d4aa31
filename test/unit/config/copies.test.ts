import { expect, test } from "vitest";

import { showConfig } from "../../../src/config/show.ts";
import { standingAt } from "../../../src/app/which-repository.ts";
import { workspace } from "./workspace.ts";

const repository = "file:///srv/backups";

test("copies are named places with all keys of the repository, or a location alone", async () => {
  const { load } = await workspace({ "holdfast.yaml": JSON.stringify({ repository, copies: { offsite: { url: "s3://elsewhere/holdfast", region: "eu-north-1", uploadConcurrency: 2, credentials: { accessKeyId: "AKIA1", secretAccessKey: { env: "OFFSITE_SECRET" } } }, disk: "file:///mnt/disk" } }) });
  const { copies } = await load({ OFFSITE_SECRET: "of-site-secret" });
  expect([...(copies ?? [])]).toEqual([
    ["offsite", { url: "s3://elsewhere/holdfast", region: "eu-north-1", uploadConcurrency: 2, uploader: "own", credentials: { accessKeyId: "AKIA1", secretAccessKey: "of-site-secret" } }],
    ["disk", { url: "file:///mnt/disk", uploader: "own" }],
  ]);
});

test("the environment names copies as pairs, and without any there are none", async () => {
  const { load } = await workspace({});
  expect([...((await load({})).copies ?? [])]).toEqual([]);
  const { copies } = await load({ HOLDFAST_REPOSITORY: repository, HOLDFAST_COPIES: "a=file:///mnt/a, b=s3://bucket/b?region=eu-north-1&path-style=true" });
  expect([...(copies ?? [])].map(([name, { url }]) => [name, url])).toEqual([["a", "file:///mnt/a"], ["b", "s3://bucket/b?region=eu-north-1&path-style=true"]]);
});

test.each([
  [{ offsite: { url: "s3://x/y", regoin: "eu" } }, /unknown key `regoin` at copies\.offsite; did you mean `region`\?/],
  [{ offsite: { region: "eu" } }, /copies\.offsite\.url \(or HOLDFAST_COPIES\) is missing/],
  [{ offsite: "ftp://x" }, /copies\.offsite\.url is a text, but must begin with file:\/\/ or s3:\/\//],
  [{ primary: "file:///mnt/a" }, /copies\.primary: the name must not be primary/],
  [{ "Off Site": "file:///mnt/a" }, /the name must be a short name/],
  [["file:///mnt/a"], /copies is a list, but must be a map of names to locations/],
  [7, /copies is a number, but must be a map of names to locations/],
])("copies %j is refused by name", async (copies, message) => {
  const { load } = await workspace({ "holdfast.yaml": JSON.stringify({ repository, copies }) });
  await expect(load({})).rejects.toThrow(message);
});

test("config show tells their names and places, and no secret", async () => {
  const { load } = await workspace({ "holdfast.yaml": JSON.stringify({ repository, copies: { offsite: { url: "s3://elsewhere/holdfast", credentials: { accessKeyId: "AKIAOFFSITE", secretAccessKey: "of-site-secret" } } } }) });
  const { settings } = showConfig(await load({}));
  expect(settings.find(({ name }) => name === "copies")?.value).toEqual(["offsite=s3://elsewhere/holdfast"]);
  expect(JSON.stringify(settings)).not.toMatch(/of-site-secret|AKIAOFFSITE/);
});

test("seen from a copy, that is the repository, and the configured one is the primary", async () => {
  const { load } = await workspace({});
  const config = await load({ HOLDFAST_REPOSITORY: repository, HOLDFAST_COPIES: "a=file:///mnt/a" });
  expect(standingAt(config, undefined)).toBe(config);
  const there = standingAt(config, "a");
  expect(there.repository?.url).toBe("file:///mnt/a");
  expect(there.copies?.get("primary")?.url).toBe(repository);
  expect(standingAt(config, "primary").repository?.url).toBe(repository);
  expect(standingAt(config, "file:///mnt/b").repository?.url).toBe("file:///mnt/b");
  expect(() => standingAt(config, "b")).toThrow("no repository b is configured; there are primary, a");
});
