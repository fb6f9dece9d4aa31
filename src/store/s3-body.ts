/** An object's bytes as they come over the wire. */
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { Readable } from "node:stream";

import { HoldfastError } from "../errors.ts";

/** The body, whole: a connection that ends early, or one that brings more than was announced, is an error. */
export async function* checkedBody(answer: GetObjectCommandOutput, key: string): AsyncGenerator<Buffer, void, undefined> {
  const { Body: body, ContentLength: announced } = answer;
  if (!(body instanceof Readable)) throw new HoldfastError("store-failed", `the store answered without a body for ${key}`);
  let came = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    came += chunk.length;
    yield chunk;
  }
  if (announced !== undefined && came !== announced) {
    throw new HoldfastError("store-failed", `cannot read ${key}: ${came} bytes came of ${announced}`);
  }
}

/** The same source, its errors put into other words. */
export async function* explained<T>(source: AsyncIterable<T>, explain: (error: unknown) => Error): AsyncGenerator<T, void, undefined> {
  try {
    yield* source;
  } catch (error) {
    throw explain(error);
  }
}
