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
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `40 512`: groups of three with thin gaps that survive a terminal. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US").replaceAll(",", " ");
}

/** Replaces every `N bytes` of a message by a readable size; the domain speaks in exact numbers. */
export function readable(text: string): string {
  return text.replace(/\b(\d{4,}) bytes\b/g, (_, digits: string) => formatBytes(Number(digits)));
}
