/** The URL as it may be shown: a query may hold a key, and what stands before the host a password. */
export function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
