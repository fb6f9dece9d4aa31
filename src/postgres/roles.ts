/** Roles at a restore: those that are missing made anew, those of the source written as others. */
import { identifier } from "./session.ts";

const roleName = String.raw`(?:"(?:[^"]|"")+"|[^\s";]+)`;

function nameOf(written: string): string {
  return written.startsWith('"') ? written.slice(1, -1).replaceAll('""', '"') : written;
}

/**
 * The statements of a globals part that make the `missing` roles, their settings and memberships. Nothing about a role
 * that exists is changed, and nothing that is not about roles (tablespaces) is run.
 */
export function statementsForRoles(globals: string, missing: ReadonlySet<string>): string[] {
  const create = new RegExp(`^CREATE ROLE (${roleName});$`, "u");
  const alter = new RegExp(`^ALTER ROLE (${roleName}) (?:WITH|SET) .*;$`, "u");
  const grant = new RegExp(`^GRANT ${roleName} TO (${roleName})(.*?)(?: GRANTED BY ${roleName})?;$`, "u");
  return globals.split("\n").flatMap((line) => {
    const subject = create.exec(line)?.[1] ?? alter.exec(line)?.[1] ?? grant.exec(line)?.[1];
    if (subject === undefined || !missing.has(nameOf(subject))) return [];
    return [line.replace(new RegExp(` GRANTED BY ${roleName};$`, "u"), ";").slice(0, -1)];
  });
}

/** Statements of a script whose roles {@link mapRoles} rewrites; pg_restore writes each of them on one line. */
const aboutRoles = /^(?:ALTER .* OWNER TO |GRANT |REVOKE |ALTER DEFAULT PRIVILEGES |CREATE POLICY |SET SESSION AUTHORIZATION |CREATE USER MAPPING )/u;

/** A script of pg_restore with the roles of `map` replaced, outside of function bodies. */
export function mapRoles(script: string, map: ReadonlyMap<string, string>): string {
  const replaceName = (written: string): string => {
    const mapped = map.get(nameOf(written));
    return mapped === undefined ? written : identifier(mapped);
  };
  let body: string | undefined;
  return script
    .split("\n")
    .map((line) => {
      const outside = body === undefined;
      for (const [tag] of line.matchAll(/\$[A-Za-z_]*\$/g)) {
        if (body === undefined) body = tag;
        else if (body === tag) body = undefined;
      }
      if (!outside || !aboutRoles.test(line)) return line;
      return line.replace(new RegExp(`\\b(OWNER TO|TO|FROM|FOR ROLE|AUTHORIZATION|FOR) (${roleName}(?:, ${roleName})*)`, "gu"), (_, word: string, names: string) => {
        return `${word} ${names.replace(new RegExp(roleName.replace(String.raw`[^\s";]+`, String.raw`[^\s";,]+`), "gu"), replaceName)}`;
      });
    })
    .join("\n");
}
