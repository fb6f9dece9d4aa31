/** Sizes and durations as people write them. */

const bytesOf: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12,
  KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40,
};

const millisecondsOf: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Bytes of `16MiB`, `5 GB` or `1048576`; undefined if `text` is no size of whole bytes. */
export function parseSize(text: string): number | undefined {
  const [, number, unit = "B"] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)?\s*$/i.exec(text) ?? [];
  return whole(number, bytesOf[unit.toUpperCase()]);
}

/** Milliseconds of `500ms`, `30s`, `5m`, `2h` or `7d`; undefined otherwise. A number alone has no unit to guess. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*(ms|[smhd])\s*$/.exec(text) ?? [];
  return whole(number, millisecondsOf[unit]);
}

function whole(number: string | undefined, factor: number | undefined): number | undefined {
  if (number === undefined || factor === undefined) return undefined;
  const product = Number(number) * factor;
  return Number.isSafeInteger(product) ? product : undefined;
}
