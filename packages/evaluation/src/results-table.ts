/** A number in a table, with its standard error where there is one. */
export interface Estimate {
  readonly value: number;
  readonly stderr?: number | undefined;
}

export type Cell = string | Estimate | undefined;

/** A table to be written as text, Markdown, CSV or HTML. */
export interface ResultsTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Digits after the point; CSV has all there are. Default 4. */
  readonly digits?: number;
  /** What a reader needs to know of the numbers, a line each. */
  readonly notes?: readonly string[];
}

/** Writes a table. */
export interface Reporter {
  /** Of a file in this format, without the dot. */
  readonly extension: string;
  format(table: ResultsTable): string;
}

declare module "@sdmprune/core" {
  interface ExtensionTypes {
    /** A way to write tables of results. */
    reporter: Reporter;
  }
}

/** A table in Markdown; standard errors follow their number after ±. */
export const markdownReporter: Reporter = {
  extension: "md",
  format({ head, rows, digits = 4, notes = [] }) {
    const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
    const escaped = (text: string): string => text.replaceAll("|", "\\|");
    const rule = head.map((_, i) => (isNumeric(rows, i) ? "--:" : "---"));
    const body = rows.map((row) => line(row.map((cell) => escaped(cellText(cell, digits)))));
    return [
      line(head.map(escaped)),
      line(rule),
      ...body,
      ...(notes.length > 0 ? ["", ...notes] : []),
      "",
    ].join("\n");
  },
};

/** A table as CSV (RFC 4180) at full precision; a column with standard errors is followed by one for them. */
export const csvReporter: Reporter = {
  extension: "csv",
  format({ head, rows }) {
    const hasError = head.map((_, i) =>
      rows.some((row) => typeof row[i] === "object" && row[i].stderr !== undefined),
    );
    const titles = head.flatMap((title, i) => (hasError[i] ? [title, `${title}_stderr`] : [title]));
    const body = rows.map((row) =>
      head.flatMap((_, i) => {
        const cell = row[i];
        const text = typeof cell === "object" ? String(cell.value) : (cell ?? "");
        if (!hasError[i]) return [text];
        return [text, typeof cell === "object" && cell.stderr !== undefined ? String(cell.stderr) : ""];
      }),
    );
    const quoted = (text: string): string =>
      /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    return [titles, ...body].map((fields) => `${fields.map(quoted).join(",")}\n`).join("");
  },
};

/** A table as one HTML page without scripts. */
export const htmlReporter: Reporter = {
  extension: "html",
  format({ head, rows, digits = 4, notes = [] }) {
    const escaped = (text: string): string =>
      text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
    const cell = (tag: string, text: string, numeric: boolean): string =>
      `<${tag}${numeric ? ' class="number"' : ""}>${escaped(text)}</${tag}>`;
    const numeric = head.map((_, i) => isNumeric(rows, i));
    const titles = head.map((title, i) => cell("th", title, numeric[i]!)).join("");
    const body = rows.map(
      (row) => `<tr>${row.map((each, i) => cell("td", cellText(each, digits), numeric[i]!)).join("")}</tr>`,
    );
    return [
      "<!doctype html>",
      '<html lang="en">',
      '<meta charset="utf-8">',
      "<title>Evaluation results</title>",
      "<style>table{border-collapse:collapse;font-family:sans-serif}th,td{border:1px solid #bbb;padding:.3em .6em}.number{text-align:right;font-variant-numeric:tabular-nums}</style>",
      "<table>",
      `<thead><tr>${titles}</tr></thead>`,
      "<tbody>",
      ...body,
      "</tbody>",
      "</table>",
      ...notes.map((note) => `<p>${escaped(note)}</p>`),
      "</html>",
      "",
    ].join("\n");
  },
};

/** A cell for a reader: `0.6061 ± 0.0100`. */
export function cellText(cell: Cell, digits: number): string {
  if (cell === undefined) return "";
  if (typeof cell === "string") return cell;
  const value = cell.value.toFixed(digits);
  return cell.stderr === undefined ? value : `${value} ± ${cell.stderr.toFixed(digits)}`;
}

function isNumeric(rows: readonly (readonly Cell[])[], column: number): boolean {
  const cells = rows.map((row) => row[column]).filter((cell) => cell !== undefined);
  return cells.length > 0 && cells.every((cell) => typeof cell === "object");
}
