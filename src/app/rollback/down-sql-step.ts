/** The step that takes migrations back by reviewed SQL, in one transaction with their rows in the ledger. */
import { chooseBackup } from "../../catalog/choice.ts";
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { HoldfastError } from "../../errors.ts";
import { identifier, openSession } from "../../postgres/session.ts";
import type { SchemaTruth } from "../../postgres/truth/truth.ts";
import { migrationsBetween } from "../../rollback/migrations/between.ts";
import { type DownSql, isApplied, prepareDown, runDown } from "../../rollback/migrations/down.ts";
import { readDownFile, readMigrations } from "../../rollback/migrations/folder.ts";
import { type DownScript, sha256OfScript } from "../../rollback/migrations/migration.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import type { RollbackStep } from "../../rollback/step.ts";
import { reachDatabase } from "../context.ts";
import type { RollbackWork } from "./database-steps.ts";
import { readPresentDatabase } from "./present.ts";

export function downSqlStep(work: RollbackWork, settings: RollbackSettings): RollbackStep {
  const { context, database, plan } = work;
  const { now, target } = plan;
  return {
    id: "down-sql",
    title: `take back by reviewed SQL: ${plan.migrations.map(({ name }) => name).join(", ")}`,
    isDone: async ({ signal }) => isApplied((await readPresentDatabase(await reachDatabase(context, database), signal)).ledgers, target.ledgers),
    perform: async ({ signal }) => {
      const [down, expected] = [await readDown(plan, settings), await schemaAfterDown(work)];
      const server = await reachDatabase(context, database);
      const { schema } = server.connection;
      const session = await openSession(server.target(), { signal });
      try {
        await runDown(session, down, { now: now.ledgers, target: target.ledgers, schema: expected, searchPath: schema === undefined ? undefined : identifier(schema) });
      } finally {
        await session.close();
      }
      return { migrations: down.migrations.length, statements: down.scripts.reduce((sum, { statements }) => sum + statements.length, 0), sha256: down.scripts.map(({ sha256 }) => sha256).join(" ") };
    },
    irreversible: `the down-SQL was run; ${plan.skipSafetyBackup === null ? "the safety backup holds what it dropped" : "no safety backup holds what it dropped"}`,
  };
}

/** The schema that the down-SQL has to bring back: the checkpoint's. Undefined where somebody accepted another. */
export async function schemaAfterDown({ workplace, database, plan }: RollbackWork): Promise<SchemaTruth | undefined> {
  if (plan.acceptIncompatible !== null) return undefined;
  return (await chooseBackup(workplace.repository, database.name, { id: plan.checkpoint.backup })).truth.schema;
}

/**
 * The scripts of a plan, read and parsed: to be looked at before anything is touched.
 * @throws HoldfastError `refused` if one cannot be run, `configuration` if it cannot be read
 */
export async function readDown(plan: Pick<RollbackPlan, "migrations" | "now" | "target">, settings: RollbackSettings): Promise<DownSql> {
  const { applied } = migrationsBetween(plan.target.ledgers, plan.now.ledgers);
  const folder = settings.migrations === undefined ? [] : await readMigrations(settings.migrations);
  const files = new Set(plan.migrations.map(({ down }) => down));
  const [only] = files;
  const ofFolder = folder.some((migration) => migration.down?.file === only);
  const from = files.size === 1 && typeof only === "string" && !ofFolder ? await readDownFile(only) : folder;
  requireUnchanged(plan.migrations, "sql" in from ? [from] : from.flatMap(({ down }) => down ?? []));
  return prepareDown(applied, from);
}

/** A rollback may go on days after it was agreed to. @throws HoldfastError `refused` if a script holds something else by now */
function requireUnchanged(migrations: RollbackPlan["migrations"], scripts: readonly DownScript[]): void {
  const changed = scripts.find((script) => migrations.some(({ down, downSha256 }) => down === script.file && downSha256 !== undefined && downSha256 !== sha256OfScript(script)));
  if (changed === undefined) return;
  throw new HoldfastError("refused", `${changed.file} was changed since the plan was made, so it is not the down-SQL that was agreed to`, {
    hints: ["Put back what it held, or abort, and make a new plan with `holdfast rollback plan`."],
  });
}
