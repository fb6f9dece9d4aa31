/** One part on its way out: plain bytes in, an encrypted object in the store, and what the manifest says of it. */
import { backupKey, partFile } from "../../catalog/layout.ts";
import type { Part } from "../../catalog/manifest.ts";
import { HoldfastError } from "../../errors.ts";
import { pack } from "../../pipeline/pack.ts";
import type { Store } from "../../store/store.ts";

/** Where the parts of the backup in the making go, and how they are packed. */
export interface Packing {
  readonly store: Store;
  readonly database: string;
  readonly id: string;
  /** The backup's one-off recipient. */
  readonly recipient: string;
  readonly level: number;
}

export interface PartSource {
  readonly name: string;
  readonly content: "pgdump" | "sql" | "json";
  /** Words near its end without which it was cut short. */
  readonly ending?: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Expected plain size; the stored size is less. */
  readonly estimate?: number;
  readonly onBytes?: (plain: number) => void;
}

/**
 * Streams a part into the store.
 * @throws HoldfastError `dump-failed` when it is empty or is not what its name says; whatever the source or the store throw
 */
export async function writePart(packing: Packing, source: PartSource, signal: AbortSignal): Promise<Part> {
  const { store, database, id, recipient, level } = packing;
  const file = partFile(source.name, source.content);
  const plain = source.content === "pgdump" ? archiveBytes(source.name, source.bytes) : source.ending === undefined ? source.bytes : endingIn(source.name, source.bytes, source.ending);
  const packed = pack(plain, { recipients: [recipient], level, signal, ...(source.onBytes && { onBytes: source.onBytes }) });
  const stored = await store.write(backupKey(database, id, file), packed.stream, { signal, ...(source.estimate !== undefined && { estimate: source.estimate }) }).catch(async (error: unknown) => {
    // A store that failed before it asked for the first byte has ended nothing.
    await (source.bytes as Partial<AsyncDisposable>)[Symbol.asyncDispose]?.();
    throw error;
  });
  if (stored !== packed.bytes) throw new HoldfastError("store-failed", `part ${source.name}: sent ${packed.bytes} bytes, but the store holds ${stored}`);
  return { name: source.name, file, bytes: packed.bytes, sha256: packed.sha256, plainBytes: packed.plainBytes };
}

const magic = Buffer.from("PGDMP");

/** Lets an archive pass if it begins as one: a pg_dump that prints nothing, or a message, and exits with 0 is no dump. */
async function* archiveBytes(part: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head = Buffer.alloc(0);
  for await (const chunk of source) {
    if (head.length >= magic.length) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < magic.length) continue;
    if (!head.subarray(0, magic.length).equals(magic)) throw notTheRealOne(`part ${part}: pg_dump's output is not an archive: it does not begin with PGDMP`);
    yield head;
  }
  if (head.length < magic.length) {
    throw notTheRealOne(`part ${part}: pg_dump wrote ${head.length} bytes and exited with 0; an empty dump is not a backup`);
  }
}

function notTheRealOne(message: string): HoldfastError {
  return new HoldfastError("dump-failed", message, { hints: ["Check that the client program that is found is the real one: `holdfast doctor` shows which it is."] });
}

const tailBytes = 512;

/** Lets a script pass if its last lines hold the words that its tool ends with. */
async function* endingIn(part: string, source: AsyncIterable<Uint8Array>, ending: string): AsyncGenerator<Uint8Array> {
  let tail = Buffer.alloc(0);
  for await (const chunk of source) {
    tail = Buffer.from(Buffer.concat([tail, chunk]).subarray(-tailBytes));
    yield chunk;
  }
  if (tail.includes(ending)) return;
  throw notTheRealOne(`part ${part}: its tool exited with 0, but ${tail.length === 0 ? "wrote nothing" : `what it wrote does not end with "${ending}"`}`);
}
