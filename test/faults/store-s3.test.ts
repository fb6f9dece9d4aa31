import { ListMultipartUploadsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { describe, expect, onTestFinished, test } from "vitest";

import type { HoldfastError } from "../../src/errors.ts";
import type { StoreOptions } from "../../src/store/options.ts";
import type { Store } from "../../src/store/store.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";
import { bytesOf, collect, digestOf, pausingAfter } from "../harness/streams.ts";
import { deadEndpoint, startProxy, startSilentServer } from "../harness/wire.ts";

const miB = 2 ** 20;
const quick: StoreOptions = { partBytes: 8 * miB, attempts: 2, requestTimeoutMs: 300, stallTimeoutMs: 600 };

async function openThrough(endpoint: string | undefined, bucket: string, options: StoreOptions = quick): Promise<Store> {
  const server = await s3Server();
  const store = await server.open(bucket, { ...options, ...(endpoint !== undefined && { endpoint }) });
  onTestFinished(() => store.close());
  return store;
}

async function failureOf(work: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await work.then(() => undefined, (thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: "HoldfastError" });
  const failure = error as HoldfastError;
  expect([failure.message, ...failure.hints].join()).not.toContain("testsecret");
  return failure;
}

/** What the server itself has in the bucket. */
async function contentsOf(bucket: string): Promise<{ objects: number; uploads: number }> {
  const { client } = await s3Server();
  const objects = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return { objects: objects.KeyCount ?? 0, uploads: uploads.Uploads?.length ?? 0 };
}

const missing = s3Missing();

if (missing !== undefined) {
  test.skip(`the S3 store meets faults (${missing})`);
} else {
  const uploaders = ["own", "sdk"] as const;

  describe("every request of the S3 store", () => {
    const requests: [string, (store: Store) => Promise<unknown>, StoreOptions?][] = [
      ["put", (store) => store.put("key", Buffer.from("x"))],
      ["conditional put", (store) => store.put("key", Buffer.from("x"), { ifAbsent: true })],
      ["conditional replacement", (store) => store.put("key", Buffer.from("x"), { ifVersion: "0123" })],
      ["small write", (store) => store.write("key", bytesOf(100))],
      ["large write", (store) => store.write("key", bytesOf(20 * miB))],
      ["small write by the SDK", (store) => store.write("key", bytesOf(100)), { uploader: "sdk" }],
      ["large write by the SDK", (store) => store.write("key", bytesOf(20 * miB)), { uploader: "sdk" }],
      ["get", (store) => store.get("key")],
      ["read", (store) => store.read("key")],
      ["head", (store) => store.head("key")],
      ["list", (store) => collect(store.list(""))],
      ["listFolders", (store) => collect(store.listFolders(""))],
      ["delete", (store) => store.delete("key")],
      ["unfinishedUploads", (store) => collect(store.unfinishedUploads(""))],
      ["abortUploads", (store) => store.abortUploads("")],
      ["clock", (store) => store.clock()],
    ];

    test.each(requests)("says that the bucket is missing, and how to create it: %s", async (_, request, options) => {
      const failure = await failureOf(request(await openThrough(undefined, "no-such-bucket", { ...options })));
      expect(failure.code).toBe("not-found");
      expect(failure.message).toMatch(/: bucket "no-such-bucket" at http:\/\/127\.0\.0\.1:\d+ does not exist$/);
      expect(failure.hints[0]).toMatch(/create-bucket --bucket no-such-bucket/);
    });

    test.each(requests)("says that the secret is wrong, and shows none: %s", async (_, request, options) => {
      const bucket = await (await s3Server()).createBucket();
      const failure = await failureOf(request(await openThrough(undefined, bucket, { ...options, credentials: { accessKeyId: "testkey", secretAccessKey: "wrong-testsecret" } })));
      expect(failure.code).toBe("store-failed");
      expect(failure.message).toMatch(/refused the signature: the secret access key is wrong$|denies access$/);
      expect(failure.hints).toHaveLength(1);
    });

    test.each(requests)("says that nobody listens at the endpoint: %s", async (_, request, options) => {
      const failure = await failureOf(request(await openThrough(await deadEndpoint(), "bucket", { ...quick, ...options })));
      expect(failure).toMatchObject({ code: "store-failed" });
      expect(failure.message).toMatch(/: http:\/\/127\.0\.0\.1:\d+ refuses connections$/);
      expect(failure.hints).toEqual(["Check that the S3 server runs, and the endpoint's host and port."]);
    });

    test.each(requests)("gives up on a server that accepts and never answers: %s", async (_, request, options) => {
      const { endpoint } = await startSilentServer();
      const failure = await failureOf(request(await openThrough(endpoint, "bucket", { ...quick, ...options })));
      expect(failure.code).toBe("store-failed");
      expect(failure.message).toContain(`${endpoint} does not answer (no byte moved for 0.3 s)`);
    });
  });

  test("an unknown access key is told apart from a wrong secret", async () => {
    const bucket = await (await s3Server()).createBucket();
    const store = await openThrough(undefined, bucket, { credentials: { accessKeyId: "nobody", secretAccessKey: "x" } });
    expect((await failureOf(store.put("key", Buffer.from("x")))).message).toMatch(/does not know the access key/);
  });

  describe.each(uploaders)("an upload (%s)", (uploader) => {
    test("whose endpoint goes down in the middle fails, and says what may be left behind", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      const proxy = await startProxy(server.endpoint);
      const store = await openThrough(proxy.endpoint, bucket, { uploader, partBytes: 8 * miB, attempts: 2, requestTimeoutMs: 3_000 });
      const forever = pausingAfter(100 * miB, new Promise(() => undefined));
      const writing = failureOf(store.write("ehr/data", forever));
      await proxy.receivedAtLeast(30 * miB);
      await proxy.cut();
      const failure = await writing;
      expect(failure.code).toBe("store-failed");
      expect(failure.message).toMatch(/^cannot write ehr\/data: (?:.* refuses connections|the connection to .* was lost \(.*\)); what was uploaded of ehr\/data may be left/);
      expect(await contentsOf(bucket)).toEqual({ objects: 0, uploads: 1 });
      expect(await (await openThrough(undefined, bucket)).abortUploads("")).toBe(1);
    });

    test("whose connections are cut once is tried again and stored whole", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      let answers = 0;
      const proxy = await startProxy(server.endpoint, { tamper: (bytes) => (answers++ === 2 ? null : bytes) });
      const store = await openThrough(proxy.endpoint, bucket, { uploader, partBytes: 8 * miB });
      await store.write("data", bytesOf(40 * miB));
      expect(answers).toBeGreaterThan(3);
      expect(await digestOf(await store.read("data"))).toEqual(await digestOf(bytesOf(40 * miB)));
    });

    test("that the server stops taking fails after the stall limit and removes what it can reach", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      const proxy = await startProxy(server.endpoint);
      const store = await openThrough(proxy.endpoint, bucket, { uploader, partBytes: 8 * miB, requestTimeoutMs: 1_500, stallTimeoutMs: 600 });
      const writing = failureOf(store.write("data", bytesOf(200 * miB)));
      await proxy.receivedAtLeast(20 * miB);
      proxy.hang();
      const failure = await writing;
      expect(failure.code).toBe("store-failed");
      expect(failure.message).toContain("does not answer (no byte of the upload accepted for 0.6 s)");
      expect((await contentsOf(bucket)).objects).toBe(0);
    });

    test("that is cancelled while the server has stopped answering ends all the same", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      const proxy = await startProxy(server.endpoint);
      const store = await openThrough(proxy.endpoint, bucket, { uploader, partBytes: 8 * miB });
      const cancel = new AbortController();
      const writing = failureOf(store.write("data", bytesOf(200 * miB), { signal: cancel.signal }));
      await proxy.receivedAtLeast(20 * miB);
      proxy.hang();
      cancel.abort();
      const failure = await writing;
      expect(failure.code).toBe("cancelled");
      expect(failure.message).toMatch(/may be left in bucket/);
    });

    test("whose source waits is not called stalled", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      const store = await openThrough(undefined, bucket, { uploader, partBytes: 8 * miB, stallTimeoutMs: 800 });
      const pause = Promise.withResolvers<undefined>();
      const paused = Promise.withResolvers<undefined>();
      let stored = 0;
      const writing = store.write("data", pausingAfter(20 * miB, pause.promise, () => { paused.resolve(undefined); }), { onProgress: (bytes) => { stored = bytes; } });
      await paused.promise;
      await expect.poll(() => stored).toBe(16 * miB);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      pause.resolve(undefined);
      expect(await writing).toBe(20 * miB);
    });

    test("fails before its first byte when no object can hold its estimate", async () => {
      const bucket = await (await s3Server()).createBucket();
      const store = await openThrough(undefined, bucket, { uploader });
      const failure = await failureOf(store.write("data", bytesOf(10), { estimate: 6 * 2 ** 40 }));
      expect(failure).toMatchObject({ code: "store-failed" });
      expect(failure.message).toMatch(/6597069766656 bytes are expected/);
    });

    test("that passes what its parts can hold is stopped there, and leaves nothing", async () => {
      const bucket = await (await s3Server()).createBucket();
      const store = await openThrough(undefined, bucket, { uploader, maxParts: 100, partBytes: 8 * miB });
      const failure = await failureOf(store.write("data", bytesOf(808 * miB + 1, miB), { estimate: 1000 }));
      expect(failure.message).toBe(`more than ${800 * miB} bytes came for data, and 1000 were expected: its parts of ${8 * miB} bytes cannot hold them`);
      expect(await contentsOf(bucket)).toEqual({ objects: 0, uploads: 0 });
    });
  });

  describe.each(uploaders)("a store that does not keep what it is given (%s)", (uploader) => {
    const altering = (search: RegExp, replacement: string) => ({ tamper: (bytes: Buffer) => Buffer.from(bytes.toString("latin1").replace(search, replacement), "latin1") });

    test.each([100, 9 * miB])("is found by its checksum of a stream of %d bytes", async (total) => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      const proxy = await startProxy(server.endpoint, altering(/\r\nDate:/, "\r\nx-amz-checksum-crc32: AAAAAA==\r\nDate:"));
      const failure = await failureOf((await openThrough(proxy.endpoint, bucket, { uploader, partBytes: 8 * miB })).write("data", bytesOf(total)));
      expect(failure.message).toMatch(/^the store has another checksum of (?:the object|part [12]) of data: CRC32 AAAAAA== instead of /);
      expect(await contentsOf(bucket)).toEqual({ objects: 0, uploads: 0 });
    });

    test.each([123, 9 * miB])("is found by the size that it shows of a stream of %d bytes", async (total) => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      const proxy = await startProxy(server.endpoint, altering(new RegExp(`Content-Length: ${total}`, "i"), `Content-Length: ${total + 1}`));
      const failure = await failureOf((await openThrough(proxy.endpoint, bucket, { uploader, partBytes: 8 * miB })).write("data", bytesOf(total)));
      expect(failure.message).toBe(`the store shows ${total + 1} bytes of data, and ${total} were sent`);
      expect(await contentsOf(bucket)).toEqual({ objects: 0, uploads: 0 });
    });

    test.each([100, 9 * miB])("is found by the retention that it shows of a stream of %d bytes", async (total) => {
      const server = await s3Server();
      const bucket = await server.createBucket({ objectLock: true });
      const proxy = await startProxy(server.endpoint, altering(/COMPLIANCE|GOVERNANCE/, "NEVERENDIN"));
      const store = await openThrough(proxy.endpoint, bucket, { uploader, partBytes: 8 * miB, objectLock: { mode: "governance", days: 1 }, requestTimeoutMs: 1_000 });
      const failure = await failureOf(store.write("data", bytesOf(total)));
      expect(failure.message).toMatch(/^the store shows another retention of data than was set: NEVERENDIN until .* instead of GOVERNANCE until /);
    });
  });

  describe("a read", () => {
    const body = Buffer.alloc(4 * miB, "x");

    test("of an object that comes truncated fails", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      let sent = 0;
      const proxy = await startProxy(server.endpoint, { tamper: (bytes) => ((sent += bytes.length) > 2 * miB ? null : bytes) });
      await (await openThrough(undefined, bucket)).put("data", body);
      const store = await openThrough(proxy.endpoint, bucket);
      expect((await failureOf(digestOf(await store.read("data")))).code).toBe("store-failed");
    });

    test("of an object that is shorter than announced fails", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      const proxy = await startProxy(server.endpoint, { tamper: (bytes) => Buffer.from(bytes.toString("latin1").replace(/Content-Length: 4194304/i, "Content-Length: 4194404"), "latin1") });
      await (await openThrough(undefined, bucket)).put("data", body);
      const store = await openThrough(proxy.endpoint, bucket);
      expect((await failureOf(digestOf(await store.read("data")))).code).toBe("store-failed");
      expect((await failureOf(store.get("data"))).code).toBe("store-failed");
    });

    test("that stalls is destroyed", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      await (await openThrough(undefined, bucket)).put("data", body);
      let sent = 0;
      const proxy = await startProxy(server.endpoint, { tamper: (bytes) => ((sent += bytes.length) > miB ? Buffer.alloc(0) : bytes) });
      const store = await openThrough(proxy.endpoint, bucket);
      const failure = await failureOf(digestOf(await store.read("data")));
      expect(failure).toMatchObject({ code: "store-failed" });
      expect(failure.message).toMatch(/^cannot read data: .* does not answer \(no byte moved for 0\.3 s\)$/);
    });

    test("whose reader takes its time is let be", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      await (await openThrough(undefined, bucket, { partBytes: 8 * miB })).write("data", bytesOf(20 * miB));
      const store = await openThrough(undefined, bucket, { ...quick, requestTimeoutMs: 500 });
      let bytes = 0;
      for await (const chunk of (await store.read("data")) as AsyncIterable<Buffer>) {
        // Longer than twice the limit, once in the middle.
        if (bytes < 10 * miB && bytes + chunk.length >= 10 * miB) await new Promise((resolve) => setTimeout(resolve, 1_200));
        bytes += chunk.length;
      }
      expect(bytes).toBe(20 * miB);
    });
  });

  test("a conditional put whose answer was lost is known as our own when it is tried again", async () => {
    const server = await s3Server();
    const bucket = await server.createBucket();
    let answers = 0;
    const proxy = await startProxy(server.endpoint, { tamper: (bytes) => (answers++ === 0 ? null : bytes) });
    const store = await openThrough(proxy.endpoint, bucket, { partBytes: 8 * miB });
    expect(await store.put("lock", Buffer.from("holder 7"), { ifAbsent: true })).toBeDefined();
    expect(answers).toBeGreaterThan(1);
    expect(await store.put("lock", Buffer.from("holder 8"), { ifAbsent: true })).toBeUndefined();
  });
}
