import { describe, expect, it } from "vitest";
import { cellText, csvReporter, htmlReporter, markdownReporter, type ResultsTable } from "./results-table.js";

const table: ResultsTable = {
  head: ["checkpoint", "a|b", "c"],
  rows: [
    ['x, "y"', { value: 12.3456789, stderr: 0.5 }, { value: 1 }],
    ["<z>", undefined, { value: 2 }],
  ],
  digits: 2,
  notes: ["A & B."],
};

describe("reporters", () => {
  it("write Markdown with numbers to the right", () => {
    expect(markdownReporter.format(table)).toBe(
      [
        "| checkpoint | a\\|b | c |",
        "| --- | --: | --: |",
        '| x, "y" | 12.35 ± 0.50 | 1.00 |',
        "| <z> |  | 2.00 |",
        "",
        "A & B.",
        "",
      ].join("\n"),
    );
  });

  it("write CSV at full precision, standard errors in columns of their own", () => {
    expect(csvReporter.format(table)).toBe(
      'checkpoint,a|b,a|b_stderr,c\n"x, ""y""",12.3456789,0.5,1\n<z>,,,2\n',
    );
  });

  it("write HTML with everything escaped", () => {
    const html = htmlReporter.format(table);
    expect(html).toContain('<tr><td>&lt;z&gt;</td><td class="number"></td><td class="number">2.00</td></tr>');
    expect(html).toContain("<td>x, &quot;y&quot;</td>");
    expect(html).toContain("<p>A &amp; B.</p>");
  });

  it("write a cell with as many digits as asked", () => {
    expect(cellText({ value: 0.5, stderr: 0.25 }, 1)).toBe("0.5 ± 0.3");
    expect(cellText({ value: 2 }, 0)).toBe("2");
    expect(cellText(undefined, 3)).toBe("");
  });
});
