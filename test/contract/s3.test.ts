import { describe, onTestFinished, test } from "vitest";

import { s3Missing, s3Server } from "../harness/s3.ts";
import { lockContract } from "./lock.contract.ts";
import { storeContract } from "./store.contract.ts";
import { keepsStreams } from "./stream.contract.ts";
import { timelineContract } from "./timeline.contract.ts";

const missing = s3Missing();

if (missing !== undefined) {
  test.skip(`a repository in S3 keeps the contract (${missing})`);
} else {
  describe.each([
    ["a repository in S3", false],
    ["a repository in S3, in a bucket with versions and object lock", true],
  ])("%s", (_, objectLock) => {
    const open = async () => {
      const server = await s3Server();
      const store = await server.open(await server.createBucket({ objectLock }), {
        prefix: "pre fix/ü",
        partBytes: 8 * 2 ** 20,
        ...(objectLock && { objectLock: { mode: "governance", days: 1 } }),
      });
      onTestFinished(() => store.close());
      return store;
    };
    storeContract(open);
    describe("as a place for locks", () => { lockContract(open, objectLock ? 5 : 20); });
    describe("as a place for the timeline", () => { timelineContract(open); });
  });

  describe("a repository in S3, in a bucket with versions and object lock, sent by the SDK", () => {
    keepsStreams(async () => {
      const server = await s3Server();
      const store = await server.open(await server.createBucket({ objectLock: true }), { partBytes: 8 * 2 ** 20, uploader: "sdk", objectLock: { mode: "governance", days: 1 } });
      onTestFinished(() => store.close());
      return store;
    });
  });
}
