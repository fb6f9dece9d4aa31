/** Settings that change how the server writes values and definitions, fixed so that source and copy write alike. */
import type { Session } from "../session.ts";

const outputSettings = {
  search_path: "",
  DateStyle: "ISO, YMD",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  extra_float_digits: "1",
  bytea_output: "hex",
  lc_monetary: "C",
  xmlbinary: "base64",
  quote_all_identifiers: "off",
  standard_conforming_strings: "on",
  // Compiling costs more than it saves for many small counts in one statement.
  jit: "off",
};

/** For the session, not the transaction: without one, a transaction's setting would silently not last until the next query. */
export async function fixOutput(session: Session): Promise<void> {
  const calls = Object.entries(outputSettings).map(([name, value]) => `set_config('${name}', '${value}', false) AS "${name}"`);
  await session.rows(`SELECT ${calls.join(", ")}`);
}
