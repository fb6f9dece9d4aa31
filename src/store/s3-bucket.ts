/** What all of the S3 store's rooms share: a client, a bucket, and how objects are to be put into it. */
import type { PutObjectCommandInput, S3Client } from "@aws-sdk/client-s3";

import type { StoreOptions } from "./options.ts";
import type { S3Place } from "./s3-errors.ts";

export interface S3Bucket {
  readonly client: S3Client;
  readonly name: string;
  /** What all keys begin with; empty or ending in a slash. */
  readonly prefix: string;
  readonly place: S3Place;
  readonly options: StoreOptions;
  /** The location has a transport of its own that keeps bytes whole: TLS, or this machine's loopback. */
  readonly safeTransport: boolean;
}

/** Storage class and encryption, as both PutObject and CreateMultipartUpload take them. */
export function placementOf(options: StoreOptions): Pick<PutObjectCommandInput, "StorageClass" | "ServerSideEncryption" | "SSEKMSKeyId"> {
  return {
    ...(options.storageClass !== undefined && { StorageClass: options.storageClass as NonNullable<PutObjectCommandInput["StorageClass"]> }),
    ...(options.serverSideEncryption !== undefined && { ServerSideEncryption: options.serverSideEncryption }),
    ...(options.kmsKeyId !== undefined && { SSEKMSKeyId: options.kmsKeyId }),
  };
}
