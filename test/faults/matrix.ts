/** Every fault that is provoked here, and what it must come to: the tests expect these rows, docs/fault-matrix.md shows them. */
import { type ErrorCode, errorTable } from "../../src/errors.ts";

export interface Fault {
  /** What is wrong, for the table. */
  readonly fault: string;
  /** What is run. */
  readonly run: string;
  readonly code: ErrorCode;
  /** The message; `…` stands for what differs from run to run. */
  readonly reads: string;
  /** What is there afterwards. */
  readonly left: string;
}

const nothing = "nothing new; earlier backups unharmed";
const asBefore = "the repository as it was";
const noDatabase = "no database";
const swept = "what the store did not let it remove; the next backup does";

const backup = { run: "backup", left: nothing } as const;
const restore = { run: "restore", left: noDatabase } as const;

export const faultMatrix = {
  "wrong password": { ...backup, fault: "wrong password", code: "database-unreachable", reads: "cannot connect to the database: …password authentication failed for user \"…\"" },
  "database missing": { ...backup, fault: "the database does not exist", code: "database-unreachable", reads: "cannot connect to the database: …database \"…\" does not exist" },
  "server down": { ...backup, fault: "the server is down", code: "database-unreachable", reads: "cannot connect to the database: …Connection refused…" },
  "server newer": { ...backup, fault: "the server is newer than every client", code: "configuration", reads: "the server is PostgreSQL …, but the newest client is older: 11.22 in …" },
  "no clients": { ...backup, fault: "HOLDFAST_PG_BIN holds no client programs", code: "configuration", reads: "no PostgreSQL client programs in …" },
  "half then 3": { ...backup, fault: "pg_dump prints half of the rows and exits with 3", code: "dump-failed", reads: "part data: pg_dump exited with 3: …server closed the connection unexpectedly" },
  "killed at half": { ...backup, fault: "pg_dump is killed at half", code: "dump-failed", reads: "part data: pg_dump was ended by SIGKILL…" },
  "nothing": { ...backup, fault: "pg_dump prints nothing and exits with 0", code: "dump-failed", reads: "part schema: pg_dump wrote 0 bytes and exited with 0; an empty dump is not a backup" },
  "rubbish": { ...backup, fault: "pg_dump prints something else and exits with 0", code: "dump-failed", reads: "part schema: pg_dump's output is not an archive: it does not begin with PGDMP" },
  "no globals": { ...backup, fault: "pg_dumpall prints nothing and exits with 0", code: "dump-failed", reads: "part globals: its tool exited with 0, but wrote nothing" },
  "half globals": { ...backup, fault: "pg_dumpall prints half of the roles and exits with 0", code: "dump-failed", reads: "part globals: its tool exited with 0, but what it wrote does not end with \"database cluster dump complete\"" },
  "table dropped": { ...backup, fault: "a table is dropped before pg_dump locks it", code: "dump-failed", reads: "part schema: pg_dump exited with 1: …relation \"public.visits\" does not exist…" },
  "table dropped later": { ...backup, fault: "a table is dropped between the dump of the schema and that of the rows", code: "dump-failed", reads: "…relation \"public.visits\" does not exist…" },
  "no privilege": { ...backup, fault: "the user may not read a table", code: "dump-failed", reads: "…permission denied for …" },
  "disk full": { ...backup, fault: "the repository's disk becomes full", code: "store-failed", reads: "cannot write ehr/backups/…: the disk is full; … MB are free in …" },
  "disk hopeless": { ...backup, fault: "the repository's disk cannot hold a backup", code: "store-failed", reads: "the repository has … free, but the database holds …" },
  "recipient mistyped": { ...backup, fault: "a recipient is mistyped", code: "configuration", reads: "recipient \"age1…\" is not a valid age recipient" },
  "secret as recipient": { ...backup, fault: "an identity stands where a recipient belongs", code: "configuration", reads: "a recipient is an age secret key, but must be the public half (age1…)" },
  "no recipient": { ...backup, fault: "no recipient", code: "configuration", reads: "no recipient: a backup is encrypted to at least one age recipient" },
  "no signing key": { ...backup, fault: "no signing key", code: "configuration", reads: "no signing key is configured, and an unsigned backup would not be restored" },
  "two at once": { ...backup, fault: "another backup of the database runs", code: "lock-held", reads: "the lock ehr/locks/backup.json is held by backup on … (user …, pid …) since …, until … unless renewed", left: "the first backup, whole" },
  "not initialised": { ...backup, fault: "the location is no repository", code: "not-found", reads: "file:///… is not a repository: it has no holdfast.json", left: "nothing" },
  "newer repository": { ...backup, fault: "the repository is of a newer format", code: "integrity", reads: "file:///… has repository format 2, but this holdfast knows format 1", left: asBefore },
  "damaged marker": { ...backup, fault: "the repository's marker is damaged", code: "integrity", reads: "holdfast.json in file:///… is damaged: it is not the marker of a repository", left: asBefore },
  "unknown database": { ...backup, run: "backup --database nosuch", fault: "a database that is not configured", code: "not-found", reads: "no database nosuch is configured; there is ehr", left: asBefore },
  "unknown flag": { ...backup, run: "backup --compres 3", fault: "an unknown flag", code: "usage", reads: "there is no flag --compres", left: asBefore },
  "verify somebody else": { run: "backup verify --level archive", fault: "the identity of somebody else", code: "cannot-decrypt", reads: "none of the 1 identities at hand opens backup ehr-…", left: asBefore },
  "restore somebody else": { ...restore, fault: "the identity of somebody else", code: "cannot-decrypt", reads: "none of the 1 identities at hand opens backup ehr-…" },
  "no identity": { ...restore, fault: "no identity", code: "cannot-decrypt", reads: "no identity is configured, so no backup can be opened" },
  "unsigned": { run: "backup verify, restore", fault: "the manifest is not signed", code: "integrity", reads: "…ehr/backups/…/manifest.json is not signed: expected a signature by …, found no manifest.json.sig", left: noDatabase },
  "stranger": { run: "backup verify, restore", fault: "a stranger signed the manifest", code: "integrity", reads: "…ehr/backups/…/manifest.json was changed, or a stranger signed it: expected a signature by …, found one that does not fit", left: noDatabase },
  "copied manifest": { run: "backup verify, restore", fault: "a folder holds the manifest of another backup", code: "integrity", reads: "…ehr/backups/…/manifest.json says it is backup … of ehr: it was moved or copied", left: noDatabase },
  "part truncated": { run: "backup verify, restore", fault: "a part is truncated", code: "integrity", reads: "…part data: the size in bytes is …, but the manifest says …", left: noDatabase },
  "part missing": { run: "backup verify, restore", fault: "a part is missing", code: "integrity", reads: "…part data: the object is missing, but the manifest says …", left: noDatabase },
  "part changed": { run: "backup verify, restore", fault: "one byte of a part is flipped, wherever it is", code: "integrity", reads: "…part …: the SHA-256 is …, but the manifest says …", left: noDatabase },
  "key changed": { run: "backup verify, restore", fault: "one byte of key.age or its signature is flipped", code: "integrity", reads: "…ehr/backups/…/key.age is damaged, unsigned, or belongs to another backup: expected a signature of it for age1… by …, found one that does not fit", left: noDatabase },
  "target not empty": { ...restore, fault: "the target is not empty", code: "refused", reads: "database … is not empty: it holds … objects", left: "the target as it was" },
  "swap unconfirmed": { ...restore, run: "restore --swap", fault: "a swap without --confirm", code: "refused", reads: "--swap replaces the live database … and was not confirmed", left: "the live database as it was" },
  "no such backup": { run: "backup show, backup verify, restore", fault: "an id that does not exist", code: "not-found", reads: "no backup ehr-20200101T000000Z-0000 in file:///…", left: asBefore },
  "not an id": { run: "backup show, backup verify, restore", fault: "an id that tries to leave its folder", code: "usage", reads: "\"…\" is not the id of a backup, which is like ehr-20261121T020000Z-7f3a", left: asBefore },
  "malformed as-of": { run: "backup show, restore", fault: "a malformed --as-of", code: "usage", reads: "--as-of … is not an instant with a time zone", left: asBefore },
  "nothing so old": { run: "backup show, restore", fault: "--as-of before the first backup", code: "not-found", reads: "no backup of ehr as old as 2020-01-01T00:00:00.000Z", left: asBefore },
  "bucket missing": { ...backup, fault: "the bucket does not exist", code: "not-found", reads: "cannot read holdfast.json: bucket \"…\" at http://… does not exist", left: "nothing" },
  "wrong secret key": { ...backup, fault: "the secret key of the bucket is wrong", code: "store-failed", reads: "cannot read holdfast.json: bucket \"…\" at http://… refused the signature: the secret access key is wrong" },
  "wrong access key": { ...backup, fault: "the bucket's server does not know the access key", code: "store-failed", reads: "cannot read holdfast.json: bucket \"…\" at http://… does not know the access key or its session token, or they have expired" },
  "no credentials": { ...backup, fault: "no credentials for the bucket are configured", code: "configuration", reads: "cannot read holdfast.json: no S3 credentials were found" },
  "endpoint down": { ...backup, fault: "the bucket's server is down", code: "store-failed", reads: "cannot read holdfast.json: http://… refuses connections" },
  "silent at start": { ...backup, fault: "the bucket's server accepts connections and never answers", code: "store-failed", reads: "cannot read holdfast.json: http://… does not answer (no byte moved for … s)" },
  "down in upload": { ...backup, fault: "the bucket's server goes down in the middle of an upload", code: "store-failed", reads: "cannot write …/data.pgdump.zst.age: …; what was uploaded of …ehr/backups/…/data.pgdump.zst.age may be left in bucket \"…\" (…)", left: swept },
  "silent in upload": { ...backup, fault: "the bucket's server stops answering in the middle of an upload", code: "store-failed", reads: "cannot write …/data.pgdump.zst.age: http://… does not answer (no byte …); what was uploaded of …ehr/backups/…/data.pgdump.zst.age may be left in bucket \"…\" (…)", left: swept },
  "silent at manifest": { ...backup, fault: "the bucket's server stops answering when the manifest comes", code: "store-failed", reads: "cannot write ehr/backups/…/manifest.json: http://… does not answer (no byte moved for … s)", left: "parts without a manifest, which never count" },
  "cancelled in upload": { ...backup, fault: "Ctrl-C in the middle of an upload to a bucket", code: "cancelled", reads: "cancelled by SIGINT; nothing was published" },
  "cancelled while silent": { ...backup, fault: "SIGTERM while the bucket's server does not answer", code: "cancelled", reads: "cancelled by SIGTERM, but cleaning up did not end within 5 s", left: swept },
  "down in restore": { ...restore, fault: "the bucket's server goes down while a part is read", code: "store-failed", reads: "cannot read ehr/backups/…/data.pgdump.zst.age: …" },
  "silent in restore": { ...restore, fault: "the bucket's server stops answering while a part is read", code: "store-failed", reads: "cannot read ehr/backups/…/data.pgdump.zst.age: http://… does not answer (no byte moved for … s)" },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faultMatrix;

/** The whole message, with anything at each `…`. */
export function messagePattern(reads: string): RegExp {
  const pieces = reads.split("…").map((piece) => piece.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`^${pieces.join("[\\s\\S]*")}$`);
}

/** The page that shows the matrix. */
export function faultPage(): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|");
  const rows = Object.values<Fault>(faultMatrix).map(({ fault, run, code, reads, left }) => `| ${cell(fault)} | \`${run}\` | ${errorTable[code].exit} | ${cell(reads)} | ${left} |`);
  return `# What goes wrong, and what then happens

Each row is provoked by a test in \`test/faults\`, with real programs, a real server and a real repository, and must end as it says
here; a test keeps this page equal to what they expect. \`…\` stands for what differs from run to run. Every message but that of a
cancellation comes with a hint that says what to do next.

After every one of them: no partial backup is listed and none of its files is left, earlier backups still verify down to their
archives, no process, server connection or half-restored database is left, and neither the output nor the timeline holds a secret
or a row. The timeline remembers the run with its code, even if the repository could not be opened: the entry then
waits on the host for the next run that can. What ends before a repository is known (an unknown flag, say) is not recorded.

| Fault | Command | Exit | The user reads | What is left |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}
