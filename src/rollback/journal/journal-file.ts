/** The journal's file on this host: one line an entry, on the disk before anybody goes on. */
import { open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { HoldfastError, messageOf, systemCodeOf } from "../../errors.ts";
import { makeFolder, syncFolder, writeAll } from "../../store/local-files.ts";

export function journalPath(stateDir: string, id: string): string {
  return join(stateDir, "rollbacks", id, "journal.jsonl");
}

export interface JournalLines {
  /** Whole lines, without their ends. */
  readonly lines: readonly string[];
  /** Bytes up to the end of the last whole line. */
  readonly bytes: number;
  /** Bytes after it: what a run that was killed in the middle of a write has left. */
  readonly torn: number;
}

/** Reads the file as it is; no file is an empty one. */
export async function readJournalFile(path: string): Promise<JournalLines> {
  const all = await readFile(path).catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return Buffer.alloc(0);
    throw failed("read", path, error);
  });
  const bytes = all.lastIndexOf(0x0a) + 1;
  const text = all.subarray(0, bytes).toString("utf8");
  return { lines: text.split("\n").slice(0, -1), bytes, torn: all.byteLength - bytes };
}

export class JournalFile {
  readonly path: string;
  /** Of the whole lines. */
  #bytes: number;
  /** Whether there may be more than that: the rest of a line that could not be written to its end. */
  #torn: boolean;

  constructor(path: string, { bytes, torn }: JournalLines) {
    this.path = path;
    this.#bytes = bytes;
    this.#torn = torn > 0;
  }

  /**
   * Adds a line durably; what is torn before it is cut off.
   * @throws HoldfastError `store-failed` if it is not on the disk, `lock-held` if somebody else writes the file
   */
  async append(line: string): Promise<void> {
    const bytes = Buffer.from(`${line}\n`);
    try {
      await makeFolder(dirname(this.path));
      const file = await open(this.path, "a", 0o600);
      try {
        const { size } = await file.stat();
        if (size !== this.#bytes) {
          if (!this.#torn) throw otherWriter(this.path);
          await file.truncate(this.#bytes);
        }
        this.#torn = true;
        await writeAll(file, bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      if (this.#bytes === 0) await syncFolder(dirname(this.path));
    } catch (error) {
      throw failed("write", this.path, error);
    }
    this.#bytes += bytes.byteLength;
    this.#torn = false;
  }
}

function otherWriter(path: string): HoldfastError {
  return new HoldfastError("lock-held", `another run writes ${path}`, { hints: ["Only one run may go on with a rollback: end the other one, or let it finish."] });
}

function failed(doing: "read" | "write", path: string, error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const full = ["ENOSPC", "EDQUOT"].includes(systemCodeOf(error) ?? "");
  return new HoldfastError("store-failed", `the journal ${path} cannot be ${doing === "read" ? "read" : "written"}: ${full ? "the disk is full" : messageOf(error)}`, {
    hints: [full ? "Free space there: no step is begun that the journal cannot name." : "Let the user that runs holdfast read and write that file, which HOLDFAST_STATE_DIR places."],
    cause: error,
  });
}
