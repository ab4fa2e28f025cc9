import { UsageError } from "@sdmprune/core";

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/**
 * Bytes of a size with its unit: `4GiB`, `1.5 gb`, `512MiB`.
 *
 * @param where - Names the option, for the error.
 * @throws {UsageError} If it is no size above 0.
 */
export function parseByteSize(text: string, where: string): number {
  const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * (UNITS[unit?.toLowerCase() ?? ""] ?? NaN));
  if (bytes > 0) return bytes;
  throw new UsageError(`${where}: expected a size such as 4GiB or 800MB, got "${text}".`);
}

/** Bytes for a person, rounded up: `2.9 GiB`, `512 MiB`. */
export function formatByteSize(bytes: number): string {
  const isLarge = bytes >= 2 ** 30;
  return isLarge
    ? `${(Math.ceil((10 * bytes) / 2 ** 30) / 10).toFixed(1)} GiB`
    : `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
