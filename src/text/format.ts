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

/** `40 512`: groups of three, as ISO 31-0 writes them; neither comma nor point means the same everywhere. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US").replaceAll(",", " ");
}

const quoted = /"[^"]*"|`[^`]*`/.source;
const counted = /(?<![^\s(])(\d{4,}) (bytes|rows|tables|entries|objects)(?![\w"'`-])/.source;
const numbers = new RegExp(`${quoted}|${counted}`, "g");

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
