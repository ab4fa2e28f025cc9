import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { ByteSource } from "@sdmprune/model-io";
import { asyncBuffer, guardParquet } from "./parquet-documents.js";
import type { Row } from "./read-rows.js";

/** All rows of a Parquet file with all columns, one row group in memory at a time. */
export async function* parquetRows(source: ByteSource, name: string): AsyncGenerator<Row> {
  const file = asyncBuffer(source);
  const metadata = await guardParquet(name, () => parquetMetadataAsync(file));
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    if (rowEnd === rowStart) continue;
    const rows = await guardParquet(name, () =>
      parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd }),
    );
    for (const [i, row] of rows.entries()) {
      const value = withNumbers(row) as Record<string, unknown>;
      yield { id: `${name}: row ${rowStart + i + 1}`, value };
    }
    rowStart = rowEnd;
  }
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
