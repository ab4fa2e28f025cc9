import { errorMessage, FormatError } from "@sdmprune/core";
import { CsvError, parse } from "csv-parse/browser/esm/sync";
import type { Row } from "./read-rows.js";

/** Fields are quoted with `"` (doubled inside) and may hold the delimiter and line ends, as in RFC 4180. */
const QUOTE = '"';

/**
 * Rows of a CSV or TSV file whose first line names the columns. The delimiter is a tab if the first line has one,
 * else a comma. A column without a name, as an index column has none, is called `id`, as `datasets` users do.
 *
 * @throws {FormatError} If a row has another number of fields than the first line, or a quote is left open.
 */
export function csvRows(text: string, name: string): Row[] {
  const head = text.slice(0, Math.max(0, text.search(/\r?\n|$/)));
  const delimiter = head.includes("\t") ? "\t" : ",";
  let records: string[][];
  try {
    records = parse(text, { bom: true, delimiter, quote: QUOTE, skip_empty_lines: true });
  } catch (cause) {
    const line =
      cause instanceof CsvError && typeof cause["lines"] === "number" ? ` line ${cause["lines"]}:` : "";
    throw new FormatError(
      `${name}:${line} expected rows of fields separated by ${delimiter === "\t" ? "tabs" : "commas"}, got a malformed row (${errorMessage(cause)}). Correct the file.`,
      { cause },
    );
  }
  const [columns = [], ...rows] = records;
  const keys = columns.map((column) => (column === "" ? "id" : column));
  return rows.map((fields, i) => ({
    id: `${name}: row ${i + 1}`,
    value: Object.fromEntries(keys.map((key, k) => [key, fields[k]])),
  }));
}
