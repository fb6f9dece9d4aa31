import { describe, expect, test } from "vitest";

import { parseLocation } from "../../../src/store/location.ts";
import { openStore } from "../../../src/store/open.ts";

describe("a location", () => {
  test("of a folder is an absolute path behind three slashes", () => {
    expect(parseLocation("file:///var/backups/a%20b/")).toEqual({ scheme: "file", path: "/var/backups/a b" });
  });

  test("of a bucket has its prefix without slashes, and its query as options", () => {
    expect(parseLocation("s3://backups/clinic/ehr/?region=eu-central-1&endpoint=http://127.0.0.1:9000/&path-style=true")).toEqual({
      scheme: "s3",
      bucket: "backups",
      prefix: "clinic/ehr",
      options: { region: "eu-central-1", endpoint: "http://127.0.0.1:9000", pathStyle: true },
    });
    expect(parseLocation("s3://my.bucket-1")).toEqual({ scheme: "s3", bucket: "my.bucket-1", prefix: "", options: {} });
  });

  test("wins over the options with its query", () => {
    expect(parseLocation("s3://backups?region=a", { region: "b", storageClass: "GLACIER_IR" })).toMatchObject({ options: { region: "a", storageClass: "GLACIER_IR" } });
  });

  test.each([
    ["/var/backups", "the repository's location is not a URL"],
    ["ftp://host/x", 'unknown kind of repository "ftp:": only file: and s3: are known'],
    ["file://var/backups", 'a file: location has three slashes before its path, "var" stands where a host would'],
    ["file:///", "the root folder cannot be a repository"],
    ["file:///a?region=x", 'unknown parameter "region": a file: location has none'],
    ["file:///a%2Fb", "the path of the file: location is malformed: an encoded slash, or broken percent-encoding"],
    ["s3://", '"" is not a bucket\'s name: letters, digits, dots and hyphens, 3 characters or more'],
    ["s3://a", '"a" is not a bucket\'s name: letters, digits, dots and hyphens, 3 characters or more'],
    ["s3://bucket:9000/x", '"bucket:9000" is not a bucket\'s name: letters, digits, dots and hyphens, 3 characters or more'],
    ["s3://bucket/a//b", 'the prefix "a//b" has an empty or ".." segment'],
    ["s3://bucket/a%2F..%2Fb", 'the prefix "a/../b" has an empty or ".." segment'],
    ["s3://bucket/%zz", "the prefix of the s3: location has broken percent-encoding"],
    ["s3://bucket?regoin=x", 'unknown parameter "regoin": an s3: location knows region, endpoint and path-style'],
    ["s3://bucket?region=", 'the parameter "region" is empty'],
    ["s3://bucket?region=a&region=b", 'the parameter "region" is given twice'],
    ["s3://bucket?path-style=yes", 'the parameter "path-style" is "yes": it must be true or false'],
    ["s3://bucket?endpoint=127.0.0.1:9000", "the endpoint is not an http: or https: URL"],
    ["s3://bucket?endpoint=http://127.0.0.1:9000/%3Fa#b", "the repository's location has a fragment (#…), which means nothing here"],
  ])("%s is refused: %s", (location, message) => {
    expect(() => parseLocation(location)).toThrow(expect.objectContaining({ code: "configuration", message }));
  });

  test.each(["s3://AKIA:hunter2@bucket/x", "s3://bucket?endpoint=http://AKIA:hunter2@127.0.0.1:9000"])("%s is refused without repeating its secret", (location) => {
    expect(() => parseLocation(location)).toThrow(/credentials/);
    expect(() => parseLocation(location)).not.toThrow(/hunter2|AKIA/);
  });
});

describe("options", () => {
  test.each([
    [{ partBytes: 5_000_000 }, "partBytes is 5000000: it must be a whole number of at least 8388608"],
    [{ uploadConcurrency: 0 }, "uploadConcurrency is 0: it must be a whole number of at least 1"],
    [{ attempts: 1.5 }, "attempts is 1.5: it must be a whole number of at least 1"],
    [{ kmsKeyId: "k" }, "kmsKeyId is given, but serverSideEncryption is not aws:kms"],
    [{ objectLock: { mode: "governance", days: 0 } }, "objectLock.days is 0: it must be a whole number of at least 1"],
  ] as const)("%j are refused: %s", async (options, message) => {
    await expect(openStore("s3://bucket", options)).rejects.toMatchObject({ code: "configuration", message });
  });

  test("with object lock are refused for a folder, which cannot lock", async () => {
    await expect(openStore("file:///tmp/x", { objectLock: { mode: "compliance", days: 30 } })).rejects.toMatchObject({ code: "configuration" });
  });
});
