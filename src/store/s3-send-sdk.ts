/**
 * Sends an object by lib-storage, for providers whose multipart differs from what ours expects: its requests, its
 * checksums (AWS_REQUEST_CHECKSUM_CALCULATION). What lib-storage lacks is put around its requests: it gives them no
 * signal, goes on after a part has failed, and aborts while requests are under way.
 */
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, PutObjectCommand, type S3Client, UploadPartCommand } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { Readable } from "node:stream";

import { placementOf } from "./s3-bucket.ts";
import { checksum } from "./s3-checksum.ts";
import type { Transfer } from "./s3-transfer.ts";

export async function sendSdk(transfer: Transfer, source: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const { bucket, plan, target } = transfer;
  const upload = new Upload({
    client: watched(transfer),
    partSize: plan.partBytes,
    queueSize: plan.concurrency,
    // The removal is ours, with its proof.
    leavePartsOnError: true,
    params: { ...target, ...placementOf(bucket.options), ContentType: "application/octet-stream", Body: Readable.from(copies(transfer.take(source)), { highWaterMark: 1 }) },
  });
  upload.on("httpUploadProgress", ({ loaded = 0 }) => { transfer.progress(loaded); });
  return (await upload.done()).VersionId;
}

/** lib-storage joins chunks long after it took them, and a source may use its own again. */
async function* copies(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of source) yield Buffer.from(chunk);
}

/** The bucket's client, each request of the upload passed through the transfer. */
function watched(transfer: Transfer): S3Client {
  const { client } = transfer.bucket;
  const send = (command: unknown): Promise<unknown> => {
    if (command instanceof CreateMultipartUploadCommand) return transfer.begin(() => client.send(command));
    if (command instanceof UploadPartCommand) return transfer.sendPart(command.input.PartNumber ?? 0, () => sumOf(command), (options) => client.send(command, options));
    if (command instanceof PutObjectCommand) return transfer.putWhole(() => sumOf(command), (options) => client.send(command, options));
    if (command instanceof CompleteMultipartUploadCommand) return transfer.complete((options) => client.send(command, options));
    throw new Error("lib-storage sends a request that an upload does not need");
  };
  return new Proxy(client, { get: (of, name): unknown => (name === "send" ? send : Reflect.get(of, name)) });
}

function sumOf({ input: { Body: body } }: PutObjectCommand | UploadPartCommand): string {
  if (!(body instanceof Uint8Array)) throw new Error("lib-storage sends something else than bytes");
  return checksum(body);
}
