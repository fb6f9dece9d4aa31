/** Buckets of the test run's S3 server. */
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { randomBytes } from "node:crypto";
import { inject } from "vitest";

import { openStore } from "../../src/store/open.ts";
import type { StoreCredentials, StoreOptions } from "../../src/store/options.ts";
import type { Store } from "../../src/store/store.ts";

export interface S3TestServer {
  readonly endpoint: string;
  readonly credentials: StoreCredentials;
  /** A client past our store, to look at what it did. */
  readonly client: S3Client;
  /** @returns the new bucket's name */
  createBucket(options?: { objectLock?: boolean }): Promise<string>;
  /** The location of a bucket of this server, as an operator writes it. */
  location(bucket: string, prefix?: string, endpoint?: string): string;
  open(bucket: string, options?: StoreOptions & { prefix?: string; endpoint?: string }): Promise<Store>;
}

/** Why there is no S3 server, or undefined if there is one. Suites that need it report this as their one skipped test. */
export function s3Missing(): string | undefined {
  const s3 = inject("s3");
  return "missing" in s3 ? s3.missing : undefined;
}

let server: S3TestServer | undefined;

export async function s3Server(): Promise<S3TestServer> {
  return (server ??= await connect());
}

async function connect(): Promise<S3TestServer> {
  const s3 = inject("s3");
  if ("missing" in s3) throw new Error(s3.missing);
  const { endpoint, ...credentials } = s3;
  const client = new S3Client({ region: "us-east-1", endpoint, forcePathStyle: true, credentials });
  const location = (bucket: string, prefix = "", through = endpoint) => `s3://${bucket}/${prefix}?region=us-east-1&endpoint=${through}&path-style=true`;
  return Promise.resolve({
    endpoint,
    credentials,
    client,
    location,
    async createBucket({ objectLock = false } = {}) {
      const name = `t-${randomBytes(6).toString("hex")}`;
      await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: objectLock }));
      return name;
    },
    async open(bucket, { prefix = "", endpoint: through = endpoint, ...options } = {}) {
      return openStore(location(bucket, prefix, through), { credentials, ...options });
    },
  });
}
