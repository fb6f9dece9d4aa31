/** Numbers as people read them. */

const units = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** `1.9 GB`: decimal units, as disks and object stores are sold and billed. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? "B"}`;
}

/** `3.2 s`, `4 min 10 s`, `2 h 5 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `4 h`, `45 s`, `3 d 2 h`, `< 0.1 s`: as {@link formatSeconds}, but without a zero at the end, and in days from two on. */
export function formatDuration(seconds: number): string {
  if (seconds > 0 && seconds < 0.05) return "< 0.1 s";
  const hours = Math.round(seconds / 3600);
  if (hours < 48) return formatSeconds(seconds).replace(/(?<=[a-z]) 0 \w+$|\.0(?= s$)/, "");
  return `${Math.floor(hours / 24)} d${hours % 24 === 0 ? "" : ` ${hours % 24} h`}`;
}

/** `196 MB/s`; undefined where there is no time to divide by. */
export function formatRate(bytes: number, seconds: number): string | undefined {
  return seconds > 0 ? `${formatBytes(bytes / seconds)}/s` : undefined;
}

/** `2026-11-21 02:00:07 UTC`: a moment, in the one zone that everybody can compare. */
export function formatInstant(instant: string): string {
  return `${instant.slice(0, 10)} ${instant.slice(11, 19)} UTC`;
}

/** `40 512`: groups of three, as ISO 31-0 writes them; neither comma nor point means the same everywhere. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US").replaceAll(",", " ");
}

const quoted = /"[^"]*"|`[^`]*`/.source;
const amount = /(?<![^\s(])(\d{4,}) (bytes|rows|tables|entries|objects)(?![\w"'`-])/.source;
const numbers = new RegExp(`${quoted}|${amount}`, "g");

/**
 * Makes the exact numbers of the domain's messages readable: `58777525 bytes` as `58.8 MB`, `1500000 rows` as
 * `1 500 000 rows`. What is quoted is a name or a command, and stays as it is.
 */
export function readable(text: string): string {
  return text.replace(numbers, (all: string, number?: string, unit?: string) => {
    if (number === undefined || unit === undefined) return all;
    return unit === "bytes" ? formatBytes(Number(number)) : `${formatCount(Number(number))} ${unit}`;
  });
}

/** Text from elsewhere (a name in a database, a tool's last words) cannot move the cursor, colour the screen or turn the writing. */
export function printable(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(/[^\P{Cc}\n\t]|[\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");
}

/** "1 table", "2 tables", "3 indexes": exact, for the domain's messages; {@link readable} groups the digits. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
