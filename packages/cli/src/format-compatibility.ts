import type { Compatibility } from "@sdmprune/recipes";
import { formatTable } from "./format-table.js";

/** What can load a width, as a table. */
export function formatCompatibility(rows: readonly Compatibility[]): string {
  return formatTable(
    ["loads in", "", "note"],
    rows.map(({ consumer, status, note }) => [consumer, status, note]),
  );
}
