import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { Readable } from "node:stream";
import { expect, test } from "vitest";

import { checkedBody } from "../../../src/store/s3-body.ts";
import { digestOf } from "../../harness/streams.ts";

// Node's HTTP holds a body to its Content-Length; a body that came chunked or decoded it does not.
const answer = (bytes: number, announced: number) => ({ Body: Readable.from([Buffer.alloc(bytes)]), ContentLength: announced }) as unknown as GetObjectCommandOutput;

test("a body as long as announced passes", async () => {
  expect(await digestOf(checkedBody(answer(10, 10), "data"))).toMatchObject({ bytes: 10 });
});

test.each([9, 11])("a body of %d bytes instead of 10 fails at its end", async (bytes) => {
  await expect(digestOf(checkedBody(answer(bytes, 10), "data"))).rejects.toMatchObject({ code: "store-failed", message: `cannot read data: ${bytes} bytes came of 10` });
});
