/**
 * Sends an object with requests of our own: parts from buffers that are used again, each with its CRC32. Half the CPU of
 * the SDK's upload and flatter memory; see docs/decisions/0010-two-uploaders.md.
 */
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, PutObjectCommand, UploadPartCommand } from "@aws-sdk/client-s3";

import { HoldfastError } from "../errors.ts";
import { placementOf } from "./s3-bucket.ts";
import { checksum } from "./s3-checksum.ts";
import { type Part, gather } from "./s3-gather.ts";
import type { Transfer } from "./s3-transfer.ts";

interface SentPart {
  readonly PartNumber: number;
  readonly ETag: string;
  readonly ChecksumCRC32: string;
}

export async function sendOwn(transfer: Transfer, source: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const { partBytes, concurrency } = transfer.plan;
  const sending: Promise<void>[] = [];
  const sent: SentPart[] = [];
  let uploadId: string | undefined;
  let stored = 0;
  for await (const part of gather(transfer.take(source), partBytes, concurrency)) {
    if (part.last && part.number === 1) return putWhole(transfer, part);
    uploadId ??= await begin(transfer);
    const one = sendPart(transfer, part, uploadId).then((done) => {
      sent.push(done);
      transfer.progress(stored += part.bytes.length);
    }).finally(part.release);
    // Thrown below; what else is under way ends now.
    one.catch((error: unknown) => { transfer.fail(error); });
    sending.push(one);
  }
  await Promise.all(sending);
  return complete(transfer, uploadId, sent);
}

async function putWhole(transfer: Transfer, { bytes, release }: Part): Promise<string | undefined> {
  const { bucket, target } = transfer;
  const sum = checksum(bytes);
  const command = new PutObjectCommand({ ...target, ...placementOf(bucket.options), Body: bytes, ContentType: "application/octet-stream", ChecksumCRC32: sum });
  if (bucket.safeTransport) command.middlewareStack.add(leaveUnsigned, { step: "build" });
  const { VersionId: version } = await transfer.putWhole(() => sum, (options) => bucket.client.send(command, options));
  transfer.progress(bytes.length);
  release();
  return version;
}

async function begin(transfer: Transfer): Promise<string | undefined> {
  const { bucket, target } = transfer;
  const command = new CreateMultipartUploadCommand({ ...target, ...placementOf(bucket.options), ContentType: "application/octet-stream", ChecksumAlgorithm: "CRC32" });
  return (await transfer.begin(() => bucket.client.send(command))).UploadId;
}

async function sendPart(transfer: Transfer, part: Part, uploadId: string | undefined): Promise<SentPart> {
  const { bucket, target } = transfer;
  const sum = checksum(part.bytes);
  const command = new UploadPartCommand({ ...target, UploadId: uploadId, PartNumber: part.number, Body: part.bytes, ChecksumCRC32: sum });
  if (bucket.safeTransport) command.middlewareStack.add(leaveUnsigned, { step: "build" });
  const { ETag: etag } = await transfer.sendPart(part.number, () => sum, (options) => bucket.client.send(command, options));
  if (etag === undefined) throw new HoldfastError("store-failed", `the store took part ${part.number} of ${target.Key} without confirming it`);
  return { PartNumber: part.number, ETag: etag, ChecksumCRC32: sum };
}

async function complete(transfer: Transfer, uploadId: string | undefined, sent: readonly SentPart[]): Promise<string | undefined> {
  const { bucket, target } = transfer;
  const parts = sent.toSorted((a, b) => a.PartNumber - b.PartNumber);
  const command = new CompleteMultipartUploadCommand({ ...target, UploadId: uploadId, MultipartUpload: { Parts: parts } });
  return (await transfer.complete((options) => bucket.client.send(command, options))).VersionId;
}

/**
 * Spares the SHA-256 over each part that the SDK signs, a third of the upload's CPU. Only where TLS or the kernel's
 * loopback keeps the bytes whole; the CRC32 goes along signed in any case.
 */
function leaveUnsigned<Args extends { request: unknown }, Output>(next: (args: Args) => Promise<Output>): (args: Args) => Promise<Output> {
  return (args) => {
    const { headers } = args.request as { headers: Record<string, string> };
    headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD";
    return next(args);
  };
}
