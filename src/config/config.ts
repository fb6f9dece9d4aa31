/** The configuration as the rest of the product sees it: resolved, typed, every default filled in. */
import type { DrillSettings } from "./drill-settings.ts";
import type { RetentionSettings } from "./retention-settings.ts";
import type { RollbackSettings } from "./rollback-settings.ts";

export interface Config {
  /** By short name, in the file's order; empty where nothing names a database. */
  readonly databases: ReadonlyMap<string, DatabaseConfig>;
  readonly repository: RepositoryConfig | undefined;
  /** Further places for the same backups, by name. */
  readonly copies?: ReadonlyMap<string, CopyConfig> | undefined;
  /** age recipients as written; whoever encrypts validates them. */
  readonly recipients: readonly string[];
  /** File of age identities. Never defaulted: identities must not lie on a backup host by accident. */
  readonly identityFile: string | undefined;
  /** Ed25519 private key, PEM. */
  readonly signingKeyFile: string | undefined;
  /** The text of the trusted public keys, PEM. */
  readonly trustedSigners: string | undefined;
  /** Folder of the PostgreSQL client tools to use instead of finding them. */
  readonly pgBin: string | undefined;
  /** Who the timeline names beside the account of the operating system. */
  readonly operator: string | undefined;
  readonly stateDir: string;
  /** Spool for restores that need a seekable file. */
  readonly tempDir: string | undefined;
  /** The file that was read. */
  readonly source: string | undefined;
  /** What was accepted but deserves a look, one sentence each, without secrets. */
  readonly warnings: readonly string[];
  /** Where each value came from, by dotted path: `file` or the environment variable; a path that is absent is a default. */
  readonly origins?: ReadonlyMap<string, string>;
}

export interface DatabaseConfig {
  readonly name: string;
  /** As the application writes it; secret. */
  readonly url: string;
  /** What comes before the name of a client tool: `["docker", "exec", "-i", "db"]`. */
  readonly tools: readonly string[] | undefined;
  /** pg_dump patterns; both empty means everything. */
  readonly include: PatternLists;
  readonly exclude: PatternLists;
  /** Tables whose definition is backed up without their rows. */
  readonly excludeTableData: readonly string[];
  /** Tables whose content is digested for the truth. */
  readonly digests: "none" | "all" | readonly string[];
  /** Whether the globals carry the roles' password verifiers. */
  readonly rolePasswords: boolean;
  readonly appVersion: string | undefined;
  /** zstd, 1 to 19. */
  readonly compressionLevel: number;
  /** `schema.table` that each backup leaves a row in; undefined if none shall. */
  readonly canary: { readonly table: string } | undefined;
  readonly drill: DrillSettings;
  /** Undefined: nothing is ever removed. */
  readonly retention: RetentionSettings | undefined;
  /** Undefined: nothing is known of how its application is deployed. */
  readonly rollback?: RollbackSettings | undefined;
}

export interface PatternLists {
  readonly tables: readonly string[];
  readonly schemas: readonly string[];
}

export interface RepositoryConfig {
  /** `file:///path` or `s3://bucket/prefix`, with its query string as written. */
  readonly url: string;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly pathStyle?: boolean | undefined;
  readonly storageClass?: string | undefined;
  readonly serverSideEncryption?: ServerSideEncryption | undefined;
  readonly kmsKeyId?: string | undefined;
  readonly objectLock?: { readonly mode: "GOVERNANCE" | "COMPLIANCE"; readonly days: number } | undefined;
  /** Bytes. */
  readonly partSize?: number | undefined;
  readonly uploadConcurrency?: number | undefined;
  /** Who sends multipart uploads: our own requests, or the SDK's lib-storage. */
  readonly uploader?: "own" | "sdk" | undefined;
  /** False where the store ignores or refuses `If-None-Match` and `If-Match`. */
  readonly conditionalWrites?: boolean | undefined;
  readonly attempts?: number | undefined;
  /** Milliseconds. */
  readonly requestTimeout?: number | undefined;
  /** Milliseconds without a byte moving. */
  readonly stallTimeout?: number | undefined;
  /** Secret. Absent: the SDK's own search (`AWS_*`, profiles, instance roles). */
  readonly credentials?: RepositoryCredentials | undefined;
}

export interface CopyConfig extends RepositoryConfig {
  /** What is kept there of every database; undefined: what the database's own retention says. */
  readonly retention?: RetentionSettings | undefined;
}

export type ServerSideEncryption = "AES256" | "aws:kms" | "aws:kms:dsse";

export interface RepositoryCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}
