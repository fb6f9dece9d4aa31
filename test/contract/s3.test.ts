import { describe, onTestFinished, test } from "vitest";

import { s3Missing, s3Server } from "../harness/s3.ts";
import { storeContract } from "./store.contract.ts";

const missing = s3Missing();

if (missing !== undefined) {
  test.skip(`a repository in S3 keeps the contract (${missing})`);
} else {
  describe("a repository in S3", () => {
    storeContract(async () => {
      const server = await s3Server();
      const store = await server.open(await server.createBucket(), { prefix: "pre fix/ü", partBytes: 8 * 2 ** 20 });
      onTestFinished(() => store.close());
      return store;
    });
  });
}
