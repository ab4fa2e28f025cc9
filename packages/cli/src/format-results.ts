import { cellText, type ResultsTable } from "@sdmprune/evaluation";
import { formatTable } from "./format-table.js";

/** A results table as plain text, its notes under it. */
export function formatResults({ head, rows, digits = 4, notes = [] }: ResultsTable): string {
  const table = formatTable(
    head,
    rows.map((row) => row.map((cell) => cellText(cell, digits))),
  );
  return [table, ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}
