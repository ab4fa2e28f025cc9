import { UsageError } from "@sdmprune/core";
import type { PerplexityBos } from "./perplexity-windows.js";

/** A published way to compute perplexity: how the text is put together, and how it is cut. */
export interface PerplexityPreset {
  readonly name: string;
  /** Whose numbers it repeats. */
  readonly description: string;
  readonly window: number;
  /** With a tokenizer that adds no BOS, `none`. */
  readonly bos: PerplexityBos;
  readonly dropPartial: boolean;
  /** The text of a data set's rows. */
  textOfRows(rows: readonly string[]): string;
  /** The rows of a plain text file, as the hub's data set has them. */
  rowsOfFile(text: string): string[];
}

/** Wikitext's rows on the hub: its lines with their line ends, and nothing where a line is white. */
function wikitextRows(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => (line.trim() === "" ? "" : `${line}\n`));
}

/** Penn Treebank's rows on the hub: its lines without the spaces around them. */
function pennTreebankRows(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

const preset = (
  name: string,
  description: string,
  window: number,
  rowsOfFile: (text: string) => string[],
): PerplexityPreset => ({
  name,
  description,
  window,
  bos: "first",
  dropPartial: true,
  textOfRows: (rows) => rows.join("\n\n"),
  rowsOfFile,
});

/** GPTQ, SparseGPT and Wanda use windows of 2048 tokens, LLM-Pruner of 128; all else is the same. */
export const PERPLEXITY_PRESETS: readonly PerplexityPreset[] = [
  preset("wikitext2-2048", "WikiText-2 test as GPTQ, SparseGPT and Wanda.", 2048, wikitextRows),
  preset("wikitext2-128", "WikiText-2 test as LLM-Pruner.", 128, wikitextRows),
  preset("ptb-2048", "Penn Treebank validation as GPTQ.", 2048, pennTreebankRows),
  preset("ptb-128", "Penn Treebank validation as LLM-Pruner.", 128, pennTreebankRows),
];

/** @throws {UsageError} If there is no preset of this name. */
export function findPerplexityPreset(name: string): PerplexityPreset {
  const found = PERPLEXITY_PRESETS.find((each) => each.name === name);
  if (found) return found;
  throw new UsageError(
    `preset: expected ${PERPLEXITY_PRESETS.map((each) => each.name).join(", ")}, got "${name}".`,
  );
}
