import { errorMessage, FormatError } from "@sdmprune/core";
import type { ByteSource } from "@sdmprune/model-io";
import { parquetMetadataAsync, parquetReadObjects, parquetSchema, type AsyncBuffer } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Document } from "./document.js";
import { chooseRowLayout, rowDocument, type RowLayout } from "./row-document.js";

/** Documents of a Parquet file, one row group in memory at a time, and of it only the column that is used. */
export async function* parquetDocuments(
  source: ByteSource,
  name: string,
  textKey?: string,
): AsyncGenerator<Document> {
  const file = asyncBuffer(source);
  const metadata = await guardParquet(name, () => parquetMetadataAsync(file));
  const numRows = Number(metadata.num_rows);
  if (numRows === 0) return;
  const columns = parquetSchema(metadata).children.map((child) => child.element.name);
  const read = async (rowStart: number, rowEnd: number, only: string[]) =>
    guardParquet(name, () =>
      parquetReadObjects({ file, metadata, compressors, columns: only, rowStart, rowEnd }),
    );

  let layout: RowLayout | undefined;
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    if (rowEnd === rowStart) continue;
    if (!layout) {
      const [first] = await read(0, 1, columns);
      layout = chooseRowLayout(first ?? {}, `${name}: row 1`, textKey);
    }
    const rows = await read(rowStart, rowEnd, [layout.key]);
    for (const [i, row] of rows.entries()) {
      const number = rowStart + i + 1;
      const document = rowDocument(row, layout, `${name}#${number}`, `${name}: row ${number}`);
      if (document) yield document;
    }
    rowStart = rowEnd;
  }
}

/** Gives a byte source the face that hyparquet reads files through. */
export function asyncBuffer(source: ByteSource): AsyncBuffer {
  return {
    byteLength: source.size,
    async slice(start, end = source.size) {
      const { buffer, byteOffset, byteLength } = await source.read(start, end - start);
      if (byteLength === buffer.byteLength) return buffer as ArrayBuffer;
      return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    },
  };
}

/** Runs `body`; what it throws becomes a FormatError about the file. */
export async function guardParquet<T>(name: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (cause) {
    throw new FormatError(
      `${name}: expected a Parquet file, got one that cannot be read (${errorMessage(cause)}). Fetch or write it again.`,
      { cause },
    );
  }
}
