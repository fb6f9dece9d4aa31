/** Where a test's repository lies: looked at, and harmed, past our own stores. */
import { DeleteObjectCommand, GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { s3Server } from "../harness/s3.ts";

export interface Place {
  /** The location as an operator writes it. */
  readonly url: string;
  /** All files or objects, relative to the repository. */
  list(): Promise<string[]>;
  read(path: string): Promise<Buffer>;
  write(path: string, bytes: Uint8Array): Promise<void>;
  remove(path: string): Promise<void>;
  /** Keys of multipart uploads that were begun and neither completed nor aborted. */
  unfinished(): Promise<string[]>;
}

export async function filesBelow(root: string): Promise<string[]> {
  const names = await readdir(root, { recursive: true }).catch(() => []);
  const files = await Promise.all(names.map(async (name) => ((await stat(join(root, name))).isFile() ? [name] : [])));
  return files.flat();
}

export function folderPlace(root: string): Place {
  return {
    url: `file://${root}`,
    list: () => filesBelow(root),
    read: (path) => readFile(join(root, path)),
    async write(path, bytes) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), bytes);
    },
    remove: (path) => rm(join(root, path)),
    unfinished: () => Promise.resolve([]),
  };
}

export interface BucketPlace extends Place {
  readonly bucket: string;
  /** The same location through a proxy. */
  through(endpoint: string): string;
}

/** A new bucket of the test run's S3 server; the repository is below a prefix of it. */
export async function bucketPlace(options: { readonly objectLock?: boolean } = {}): Promise<BucketPlace> {
  const server = await s3Server();
  const { client } = server;
  const bucket = await server.createBucket(options);
  const prefix = "clinic/nightly";
  const at = (path: string) => ({ Bucket: bucket, Key: `${prefix}/${path}` });
  const relative = (found: readonly { readonly Key?: string | undefined }[] = []) => found.map(({ Key: key = "" }) => key.replace(`${prefix}/`, ""));
  return {
    bucket,
    url: server.location(bucket, prefix),
    through: (endpoint) => server.location(bucket, prefix, endpoint),
    list: async () => relative((await client.send(new ListObjectsV2Command({ Bucket: bucket }))).Contents),
    async read(path) {
      const { Body: body } = await client.send(new GetObjectCommand(at(path)));
      return Buffer.from((await body?.transformToByteArray()) ?? []);
    },
    async write(path, bytes) {
      await client.send(new PutObjectCommand({ ...at(path), Body: bytes }));
    },
    async remove(path) {
      await client.send(new DeleteObjectCommand(at(path)));
    },
    unfinished: async () => relative((await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads),
  };
}
