import { describe, expect, it } from "vitest";
import type { ComparisonResults, ResultRow } from "./collect-results.js";
import { leaderboard } from "./leaderboard.js";

const row = (label: string, ratio: number, measured: Partial<ResultRow>): ResultRow => ({
  label,
  method: label,
  options: {},
  ratio,
  recovery: undefined,
  seeds: [],
  perplexity: {},
  accuracy: undefined,
  accuracyWithoutBias: undefined,
  versusReference: undefined,
  ...measured,
});

const one = (mean: number) => ({ mean, stderr: undefined, n: 1 });

function page(rows: readonly ResultRow[]): string {
  const results: ComparisonResults = {
    title: "Methods",
    description: undefined,
    command: undefined,
    experiment: undefined,
    version: "0.1.0",
    machine: { cpu: "a processor", cores: 2, memoryGiB: 24, system: "linux x64", node: "20.20.2" },
    commits: [],
    model: { sha256: "", parameters: 1 },
    cells: { finished: 3, all: 9, seconds: 61 },
    reference: "taylor",
    perplexities: ["text"],
    rows,
    overlaps: [],
  };
  return leaderboard(results);
}

describe("leaderboard", () => {
  it("lists the methods that were measured, and no others", () => {
    const text = page([
      row("dense", 0, { perplexity: { text: one(5) } }),
      row("taylor", 0.2, { perplexity: { text: one(9.5) } }),
      row("wanda", 0.2, {}),
      row("taylor", 0.3, { perplexity: { text: one(12.25) } }),
    ]);
    expect(text).toContain("Lower is better. dense: 5.000.");
    expect(text).toContain(
      ["| method | 20 % | 30 % |", "| --- | --- | --- |", "| taylor | 9.500 | 12.25 |"].join("\n"),
    );
    expect(text).not.toContain("wanda");
  });

  it("has no table before a pruned model is judged", () => {
    const text = page([row("dense", 0, { accuracy: one(0.42) }), row("taylor", 0.2, {})]);
    expect(text).toContain(
      "## Mean accuracy, %\n\nHigher is better; of the tasks' main metrics. dense: 42.0.",
    );
    expect(text).not.toContain("| method |");
  });
});
