/** What an upper layer may choose about a store; everything is optional, and a location's query wins over it. */

export interface StoreOptions {
  readonly region?: string;
  /** `http://127.0.0.1:9000`; without it the SDK's own environment and then AWS decide. */
  readonly endpoint?: string;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle?: boolean;
  readonly storageClass?: string;
  readonly serverSideEncryption?: "AES256" | "aws:kms";
  readonly kmsKeyId?: string;
  readonly objectLock?: ObjectLock;
  /** Smallest size of a multipart part, at least 8 MiB; a large estimate raises it. Default 8 MiB. */
  readonly partBytes?: number;
  /** Most parts that the provider takes in one object. Default 10,000; some take 1,000. */
  readonly maxParts?: number;
  /** Parts in memory and under way at once. Default 4; fewer when parts are large. */
  readonly uploadConcurrency?: number;
  /** Who cuts and sends the parts: our own requests, or the SDK's lib-storage. Default own. */
  readonly uploader?: Uploader;
  /** Tries of each request, the first included. Default 3. */
  readonly attempts?: number;
  /** Milliseconds that one request may move no byte. Default 30 s. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds that an upload with parts under way may have no byte accepted. Default 120 s. */
  readonly stallTimeoutMs?: number;
  readonly credentials?: StoreCredentials;
}

export type Uploader = "own" | "sdk";

/** How long every new object is protected from deletion. */
export interface ObjectLock {
  readonly mode: "governance" | "compliance";
  readonly days: number;
}

export interface StoreCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}
