/** A migration as its folder holds it, and the name under which the ledger of each tool knows it. */
import { createHash } from "node:crypto";

/** SQL that takes migrations back. */
export interface DownScript {
  /** Absolute. */
  readonly file: string;
  readonly sql: string;
}

/** In hexadecimal: what was looked at and agreed to is what has to run. */
export function sha256OfScript({ sql }: DownScript): string {
  return createHash("sha256").update(sql).digest("hex");
}

export interface Migration {
  /** For people: the folder (Prisma), or the file without what its tool adds. */
  readonly name: string;
  /** Absolute. */
  readonly file: string;
  /** What the file says. */
  readonly text: string;
  /** False for migrations that are written in another language, whose effect cannot be read. */
  readonly isSql: boolean;
  readonly down: DownScript | null;
}

/** Tools whose ledger names its migrations in a way that the files tell. Alembic's revision and Django's application stand elsewhere. */
const namings: Readonly<Record<string, (migration: Migration) => string | undefined>> = {
  prisma: (migration) => (isPrismas(migration) ? migration.name : undefined),
  flyway: ({ file }) => /^V([\d._]+?)__/.exec(baseOf(file))?.[1]?.replaceAll("_", "."),
  knex: (migration) => (isPrismas(migration) ? undefined : baseOf(migration.file)),
  // The hash that Drizzle keeps is that of the file.
  drizzle: (migration) => (migration.isSql && !isPrismas(migration) ? createHash("sha256").update(migration.text).digest("hex") : undefined),
  typeorm: ({ file }) => /^(\d{10,})-(.+)\.\w+$/.exec(baseOf(file))?.slice(1).toReversed().join(""),
  rails: ({ file }) => /^\d+/.exec(baseOf(file))?.[0],
};

/** The name in the ledger of `tool`; undefined where the files of a folder do not tell it. */
export function ledgerName(migration: Migration, tool: string): string | undefined {
  return Object.hasOwn(namings, tool) ? namings[tool]?.(migration) : undefined;
}

/** A ledger, as far as it matters which of several a folder belongs to. */
interface NamedLedger {
  readonly tool: string;
  readonly applied: readonly string[];
}

/**
 * The tool whose ledger `migrations` are written for: every file has a name there, and more of them stand in it than in any
 * other. Undefined if no ledger fits, or several do alike.
 */
export function toolOf(migrations: readonly Migration[], ledgers: readonly NamedLedger[]): string | undefined {
  const fitting = [...new Set(ledgers.map(({ tool }) => tool))].flatMap((tool) => {
    const names = migrations.map((migration) => ledgerName(migration, tool));
    if (names.includes(undefined)) return [];
    const applied = new Set(ledgers.filter((ledger) => ledger.tool === tool).flatMap((ledger) => ledger.applied));
    return [{ tool, found: names.filter((name) => name !== undefined && applied.has(name)).length }];
  });
  const [best, next] = fitting.toSorted((a, b) => b.found - a.found);
  return best !== undefined && best.found === next?.found ? undefined : best?.tool;
}

const isPrismas = ({ file }: Migration): boolean => baseOf(file) === "migration.sql";

function baseOf(file: string): string {
  return file.split(/[\\/]/).at(-1) ?? file;
}
