/** A plain text table: columns as wide as their widest cell, numbers to the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const isNumeric = head.map(
    (_, i) => rows.length > 0 && rows.every((row) => /^[-+]?[\d.,]+( ?%)?$|^$/.test(row[i]!)),
  );
  const format = (row: readonly string[]): string =>
    row
      .map((cell, i) => (isNumeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [format(head), widths.map((w) => "-".repeat(w)).join("  "), ...rows.map(format)].join("\n");
}
