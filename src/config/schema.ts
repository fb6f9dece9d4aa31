/**
 * The one definition of the configuration. It parses holdfast.yaml, names the environment variables (fields.ts), and
 * writes .env.example, the reference page (reference.ts) and `config show` (show.ts). A rule begins with "must" and
 * ends the sentence "databases.ehr.compressionLevel is 25, but …".
 */
import * as z from "zod";

import { registerSecret } from "../process/redact.ts";
import { copiesSchema } from "./copies-schema.ts";
import { drillSchema } from "./drill-schema.ts";
import { duration, field, flag, mapRule, measure, oneOf, settle, source, text, texts, whole } from "./kinds.ts";
import { retentionSchema } from "./retention-schema.ts";
import { rollbackSchema } from "./rollback-schema.ts";
import { registerUrl } from "./secrets.ts";
import { type Reading, type Source, SourceProblem } from "./sources.ts";
import { parseTools } from "./tools.ts";
import { parseSize } from "./units.ts";

function lockMode() {
  const rule = "must be GOVERNANCE or COMPLIANCE";
  return z.string({ error: rule }).transform((given, context) => {
    const mode = given.toUpperCase();
    if (mode === "GOVERNANCE" || mode === "COMPLIANCE") return mode;
    context.addIssue({ code: "custom", message: rule });
    return z.NEVER;
  });
}

function listed(content: string): string[] {
  return content.split("\n").map((line) => line.replace(/#.*/, "").trim()).filter((line) => line !== "");
}

export const databaseName = /^[a-z0-9][a-z0-9_-]{0,39}$/;
export const databaseNameRule = "must be a short name: lower-case letters, digits, - and _, at most 40, not beginning with - or _";

const tableName = /^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$/;
const tableNameRule = "must be schema.table, each of lower-case letters, digits and _, as in public.holdfast_canary";

/** The schema; `reading` fetches what stands outside the file. */
export function configSchema(reading: Reading) {
  const secret = () =>
    source().transform((given: Source, context) =>
      settle(context, async () => {
        const value = await reading.secret(given);
        registerSecret(value);
        return value;
      }),
    );
  const url = () =>
    source().transform((given: Source, context) =>
      settle(context, async () => {
        const value = await reading.secret(given);
        registerUrl(value);
        return value;
      }),
    );
  const path = () => text().transform((given) => reading.path(given));

  const patterns = (verb: string, variable: string, note = "") =>
    z.strictObject({
      tables: field(texts().default([]), `Tables to ${verb}, as pg_dump patterns.${note}`, { type: "list of patterns", kind: "list", env: `HOLDFAST_${variable}_TABLES`, example: "public.a*,public.b" }),
      schemas: field(texts().default([]), `Schemas to ${verb}, as pg_dump patterns.${note}`, { type: "list of patterns", kind: "list", env: `HOLDFAST_${variable}_SCHEMAS`, example: "public" }),
    }).prefault({});

  const database = z.strictObject({
    url: field(url(), "The database, as the application writes it: a URL (Prisma's parameters are understood), `service=name` or a libpq keyword string.", {
      type: "URL or source", env: "DATABASE_URL", fileVariable: true, secret: "url", example: "postgresql://backup:secret@db.internal:5432/ehr",
    }),
    tools: field(
      z.union([text(), texts()], { error: "must be a command or a list of its words" }).transform((given, context) => {
        const parsed = parseTools(given);
        if ("prefix" in parsed) return parsed.prefix;
        context.addIssue({ code: "custom", message: parsed.rule });
        return z.NEVER;
      }).optional(),
      "Run the client tools inside a container: `docker exec NAME` or `docker compose exec SERVICE`.",
      { type: "command", example: "docker exec db", defaultText: "this machine's tools" },
    ),
    include: patterns("include", "INCLUDE", " None means all."),
    exclude: patterns("leave out", "EXCLUDE"),
    excludeTableData: field(texts().default([]), "Tables to back up without their rows, as pg_dump patterns.", { type: "list of patterns", kind: "list", example: "public.sessions" }),
    digests: field(
      z.union([oneOf("none", "all"), texts()], { error: "must be none, all or a list of table patterns" }).default("none"),
      "Tables whose content is digested into the truth: `none`, `all`, or patterns. A digest reads the whole table once more.",
      { type: "`none`, `all` or list of patterns", kind: "list", example: "all" },
    ),
    rolePasswords: field(flag().default(false), "Whether the backed-up roles keep their password verifiers.", { type: "true or false", kind: "boolean", example: "true" }),
    appVersion: field(
      source().transform(async (given: Source) => {
        try {
          return await reading.text(given);
        } catch (error) {
          // A backup without a label is better than no backup tonight.
          if (!(error instanceof SourceProblem)) throw error;
          reading.warn(`the application's version is unknown: ${error.message}`);
          return undefined;
        }
      }).optional(),
      "The application's version, recorded with each backup. If its source fails, the backup goes on without it.",
      { type: "text or source", example: "2.14.0" },
    ),
    compressionLevel: field(whole(1, 19).default(1), "zstd level. Level 3 takes twice the time of level 1 for a few percent.", { type: "1 to 19", kind: "number", example: "3" }),
    canary: field(
      text().regex(tableName, tableNameRule).transform((table) => ({ table })).optional(),
      "A table in which each backup leaves a row just before its snapshot, for the drills to find again. It is made if it does not exist; the backup's role must own it or may insert and delete.",
      { type: "schema.table", example: "public.holdfast_canary", at: "canary.table" },
    ),
    drill: drillSchema(url),
    retention: retentionSchema.optional(),
    rollback: rollbackSchema((given) => reading.path(given)),
  }, { error: mapRule });

  const repository = z.strictObject({
    url: field(
      url().refine((value) => /^(?:file|s3):\/\//.test(value), "must begin with file:// or s3://"),
      "Where backups live: `file:///path` or `s3://bucket/prefix`.",
      { type: "URL or source", env: "HOLDFAST_REPOSITORY", fileVariable: true, secret: "url", example: "s3://backups/holdfast?region=eu-central-1" },
    ),
    region: field(text().optional(), "The bucket's region.", { type: "text", example: "eu-central-1", defaultText: "the SDK's (`AWS_REGION`)" }),
    endpoint: field(text().regex(/^https?:\/\//, "must begin with http:// or https://").optional(), "The address of an S3-compatible server.", { type: "URL", example: "https://s3.example.org", defaultText: "the SDK's (`AWS_ENDPOINT_URL_S3`)" }),
    pathStyle: field(flag().optional(), "Address the bucket in the path instead of the host name.", { type: "true or false", kind: "boolean", example: "true" }),
    storageClass: field(text().optional(), "Storage class of the parts, in the provider's spelling.", { type: "text", example: "STANDARD_IA" }),
    serverSideEncryption: field(oneOf("AES256", "aws:kms", "aws:kms:dsse").optional(), "Encryption that the store adds to ours.", { type: "AES256, aws:kms or aws:kms:dsse", example: "aws:kms" }),
    kmsKeyId: field(text().optional(), "Key of the `aws:kms` encryption.", { type: "text", example: "alias/backups" }),
    objectLock: z.strictObject({
      mode: field(lockMode(), "Object Lock mode; in COMPLIANCE nobody can delete early, not even the owner.", { type: "GOVERNANCE or COMPLIANCE", example: "GOVERNANCE" }),
      days: field(whole(1, 36_500), "How long each object is locked.", { type: "days", kind: "number", example: "30" }),
    }, { error: mapRule }).optional(),
    partSize: field(
      measure(parseSize, "must be a size from 8MiB to 5GiB, as in 16MiB", 8 * 2 ** 20, 5 * 2 ** 30).optional(),
      "Size of the parts of a multipart upload.",
      { type: "size", example: "32MiB", defaultText: "chosen from the database's size" },
    ),
    uploadConcurrency: field(whole(1, 64).optional(), "How many parts are uploaded at once.", { type: "1 to 64", kind: "number", example: "4" }),
    uploader: field(
      oneOf("own", "sdk").default("own"),
      "Who sends multipart uploads: `own` requests, or the AWS SDK's `lib-storage`, at twice the CPU, for a provider whose multipart differs.",
      { type: "own or sdk", example: "sdk" },
    ),
    conditionalWrites: field(flag().optional(), "Whether the store honours conditional writes (`If-None-Match`, `If-Match`), which keep two runs from overwriting each other; `holdfast doctor` tries it.", { type: "true or false", kind: "boolean", example: "false", defaultText: "true" }),
    attempts: field(whole(1, 20).optional(), "How often a request is tried.", { type: "1 to 20", kind: "number", example: "5" }),
    requestTimeout: field(duration().optional(), "Time limit of one request.", { type: "duration", example: "60s" }),
    stallTimeout: field(duration().optional(), "How long a transfer may stand still before it fails.", { type: "duration", example: "2m" }),
    credentials: z.strictObject({
      accessKeyId: field(secret(), "Access key of the store.", { type: "text or source", env: "HOLDFAST_REPOSITORY_ACCESS_KEY_ID", fileVariable: true, secret: "whole", example: "AKIAEXAMPLE" }),
      secretAccessKey: field(secret(), "Secret key of the store.", { type: "text or source", env: "HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY", fileVariable: true, secret: "whole", example: "secret" }),
      sessionToken: field(secret().optional(), "Session token of temporary keys.", { type: "text or source", env: "HOLDFAST_REPOSITORY_SESSION_TOKEN", fileVariable: true, secret: "whole", example: "token" }),
    }, { error: mapRule }).optional(),
  }, { error: mapRule });

  return z.strictObject({
    databases: z.record(text().regex(databaseName, databaseNameRule), database, { error: mapRule }).default({}),
    repository: repository.optional(),
    copies: field(copiesSchema(repository.extend({ retention: retentionSchema.optional() })).default({}), "Further places for the same backups, by name, each with the keys of `repository` or a location alone: what `repository copy` and a backup's last step copy to, and `--from` reads.", { type: "map, or NAME=URL", kind: "list", secret: "url", example: "offsite=s3://elsewhere/holdfast?region=eu-north-1", defaultText: "none" }),
    recipients: field(
      z.union([texts(), text().transform((one) => [one]), z.strictObject({ file: text() }).transform((given, context) => settle(context, async () => listed(await reading.file(given.file))))], { error: "must be a list of age recipients or { file: path }" }).default([]),
      "age recipients that can open the backups, or `{ file: path }` with one a line.",
      { type: "list or file", kind: "list", fileVariable: true, example: "age1oncall…,age1escrow…" },
    ),
    identityFile: field(path().optional(), "File of age identities. For hosts that restore and drill, never for hosts that back up.", { type: "path", kind: "path", example: "/etc/holdfast/identity.txt" }),
    signingKeyFile: field(path().optional(), "Ed25519 private key (PEM) that signs manifests. For hosts that back up.", { type: "path", kind: "path", example: "/etc/holdfast/signing-key.pem", defaultText: "`signing-key.pem` in the configuration folder, if it exists" }),
    trustedSigners: field(
      text().transform((given, context) => (given.includes("-----BEGIN") ? given : settle(context, () => reading.file(given)))).optional(),
      "Public keys (PEM) whose manifests are trusted: a file, or the text itself.",
      { type: "path or PEM", kind: "path", example: "/etc/holdfast/trusted-signers.pem", defaultText: "`trusted-signers.pem` in the configuration folder, if it exists; else the signing key's own" },
    ),
    pgBin: field(path().optional(), "Folder of the PostgreSQL client tools to use.", { type: "path", kind: "path", example: "/usr/lib/postgresql/17/bin", defaultText: "the newest on the machine that fits the server" }),
    operator: field(text().optional(), "Who the timeline names beside the account of the operating system.", { type: "text", example: "nightly@backup-1" }),
    stateDir: field(path().optional(), "Folder of the local timeline, locks and journals.", { type: "path", kind: "path", example: "/var/lib/holdfast", defaultText: "`$XDG_STATE_HOME/holdfast`, else `~/.local/state/holdfast`" }),
    tempDir: field(path().optional(), "Folder for parallel restores, which need the archive as a file.", { type: "path", kind: "path", example: "/var/tmp", defaultText: "the system's" }),
  }, { error: mapRule });
}

export type ParsedConfig = z.output<ReturnType<typeof configSchema>>;
