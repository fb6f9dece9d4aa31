/** What stands behind the programs that a runbook names. */
import type { DatabaseConfig } from "../../config/config.ts";
import { withheld } from "../../rollback/platform/compose/command.ts";
import type { Program, Programs } from "../../rollback/runbook/execute.ts";
import { type Context, reachTarget } from "../context.ts";

const clients = ["psql", "pg_dump", "pg_restore"] as const;

/**
 * `holdfast` is this very holdfast with its configuration; psql, pg_dump and pg_restore are those that fit the server of the
 * database, and reach it as holdfast does. Any other is what the operating system calls by that name.
 * @param self - how this holdfast was started
 */
export function configuredPrograms(context: Context, database: DatabaseConfig, self: Program): Programs {
  let reached: ReturnType<typeof reachTarget> | undefined;
  return {
    find: async (name) => {
      const tool = clients.find((each) => each === name);
      if (tool !== undefined) {
        reached ??= reachTarget(context, database);
        try {
          const { server } = await reached;
          return { command: server.client.command(tool), env: server.target().env, writesRows: true };
        } catch (error) {
          // A server that did not answer may do so when the next step asks.
          reached = undefined;
          throw error;
        }
      }
      if (name === "holdfast") return { ...self, env: { ...self.env, HOLDFAST_DATABASE: database.name, ...(context.config.source !== undefined && { HOLDFAST_CONFIG: context.config.source }) } };
      // What of the operator's environment names another engine, project or file contradicts what is shown.
      if (name === "docker") return { command: [name], env: { ...withheld(self.env), DOCKER_CONTEXT: database.rollback?.compose?.context ?? "default" }, writesRows: false };
      return { command: [name], env: {}, writesRows: false };
    },
  };
}
