/** Whether the cache of a database's backups says what their manifests say. */
import { isDeepStrictEqual } from "node:util";

import { type BackupIndex, readIndex } from "../../catalog/backup-index.ts";
import { indexKey, manifestFile, signatureSuffix } from "../../catalog/layout.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import { summaryOf } from "../../catalog/summary.ts";
import type { StoredObject } from "../../store/store.ts";
import type { Finding } from "./findings.ts";

/** Compares an index with the manifests as they are read; to be asked at the end what was wrong with it. */
export class IndexCheck {
  readonly #database: string;
  readonly #index: BackupIndex;
  #known = 0;
  readonly #outdated: string[] = [];
  readonly #wrong: string[] = [];

  private constructor(database: string, index: BackupIndex) {
    this.#database = database;
    this.#index = index;
  }

  static async of(repository: Repository, database: string): Promise<IndexCheck> {
    return new IndexCheck(database, await readIndex(repository, database));
  }

  compare(manifest: Manifest, files: ReadonlyMap<string, StoredObject>): void {
    const line = this.#index.lines.get(manifest.id);
    if (line !== undefined) this.#known += 1;
    if (line?.manifest !== files.get(manifestFile)?.tag || line?.signature !== files.get(manifestFile + signatureSuffix)?.tag) this.#outdated.push(manifest.id);
    else if (line !== undefined && !isDeepStrictEqual(line.summary, summaryOf(manifest))) this.#wrong.push(manifest.id);
  }

  findings(): Finding[] {
    const { problem, lines, replaces } = this.#index;
    const found = { key: indexKey(this.#database), database: this.#database };
    const harmless = "nothing but time depends on it";
    if (problem !== undefined) return [{ ...found, kind: "unusable-index", severity: "garbage", detail: `${problem}; ${harmless}` }];
    if (this.#wrong.length > 0) return [{ ...found, kind: "unusable-index", severity: "garbage", detail: `it says of ${this.#wrong.join(", ")} what the manifest does not say` }];
    const gone = lines.size - this.#known;
    if ("ifAbsent" in replaces || (gone === 0 && this.#outdated.length === 0)) return [];
    return [{ ...found, kind: "outdated-index", severity: "note", detail: `it does not know ${this.#outdated.length} of the backups, and knows ${gone} that are not there or not trusted; ${harmless}` }];
  }
}
