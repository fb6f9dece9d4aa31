/**
 * Whether this machine knows the time zone: `Europe/Berlin`, `UTC`. Offsets such as `+02:00` know no daylight saving and
 * are no zones.
 */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
