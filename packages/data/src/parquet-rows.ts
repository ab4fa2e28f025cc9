import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { ByteSource } from "@sdmprune/model-io";
import { asyncBuffer, guardParquet } from "./parquet-documents.js";
import type { Row } from "./read-rows.js";

/** All rows of a Parquet file with all columns. */
export async function parquetRows(source: ByteSource, name: string): Promise<Row[]> {
  const rows = await guardParquet(name, () => parquetReadObjects({ file: asyncBuffer(source), compressors }));
  return rows.map((row, i) => ({
    id: `${name}: row ${i + 1}`,
    value: withNumbers(row) as Record<string, unknown>,
  }));
}

/** Parquet's 64-bit integers arrive as BigInt; data sets mean labels and indices by them. */
function withNumbers(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(withNumbers);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    return value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withNumbers(each)]));
}
