import { FormatError } from "@sdmprune/core";
import type { MetricValue } from "./aggregation.js";
import type { Loglikelihood } from "./language-model.js";
import { codePointLength, pythonWords } from "./python-text.js";
import type { ExactMatchOptions } from "./task-config.js";

/**
 * Scores of a question with choices.
 *
 * @param choices - The choices without the delimiter: their lengths normalise `acc_norm`.
 * @param gold - Index of the right choice, several of them, or its text.
 * @param answers - One per choice; with `acc_mutual_info` also one per choice without context, after them.
 */
export function scoreChoices(
  choices: readonly string[],
  gold: unknown,
  answers: readonly Loglikelihood[],
): Record<string, MetricValue> {
  const right = goldIndices(gold, choices);
  const logprobs = answers.slice(0, choices.length).map(({ logprob }) => logprob);
  const alone = answers.slice(choices.length).map(({ logprob }) => logprob);
  const chosen = firstMaximum(logprobs);
  const normalised = logprobs.map((logprob, i) => logprob / codePointLength(choices[i]!));
  const isRight = (index: number): number => (right.includes(index) ? 1 : 0);
  return {
    acc: isRight(chosen),
    acc_norm: isRight(firstMaximum(normalised)),
    exact_match: right.some((index) => answers[index]!.isGreedy) ? 1 : 0,
    f1: [right[0]!, chosen],
    mcc: [right[0]!, chosen],
    ...(alone.length > 0 && {
      acc_mutual_info: isRight(firstMaximum(logprobs.map((logprob, i) => logprob - alone[i]!))),
    }),
  };
}

/** Scores of a text that is the only continuation. */
export function scoreContinuation({ logprob, isGreedy }: Loglikelihood): Record<string, MetricValue> {
  return { perplexity: logprob, acc: isGreedy ? 1 : 0 };
}

/** Scores of a whole text; words and bytes are those of `text`, which need not be what the model read. */
export function scoreText(text: string, logprob: number): Record<string, MetricValue> {
  const numBytes = new TextEncoder().encode(text).length;
  return {
    word_perplexity: [logprob, pythonWords(text).length],
    byte_perplexity: [logprob, numBytes],
    bits_per_byte: [logprob, numBytes],
  };
}

/** Whether a written text is one of the right ones. */
export function scoreGeneration(
  gold: unknown,
  written: string,
  options: ExactMatchOptions = {},
): Record<string, MetricValue> {
  const texts = Array.isArray(gold) ? gold : [gold];
  const seen = simplified(written, options);
  return { exact_match: texts.some((text) => simplified(String(text), options) === seen) ? 1 : 0 };
}

/** Position of the largest number, the first of equals. */
export function firstMaximum(values: readonly number[]): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

function goldIndices(gold: unknown, choices: readonly string[]): readonly number[] {
  const indices = (Array.isArray(gold) ? (gold as unknown[]) : [gold]).map((each) =>
    typeof each === "string" ? choices.indexOf(each) : each,
  );
  for (const index of indices) {
    if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= choices.length) {
      throw new FormatError(
        `doc_to_target: expected the index (0 to ${choices.length - 1}) or the text of a choice, got ${JSON.stringify(gold)}.`,
      );
    }
  }
  if (indices.length === 0)
    throw new FormatError("doc_to_target: expected at least one right choice, got none.");
  return indices as number[];
}

const PUNCTUATION = /[!-/:-@[-`{-~]/g; // Python's string.punctuation

function simplified(
  text: string,
  { ignoreCase, ignorePunctuation, ignoreNumbers, regexesToIgnore = [] }: ExactMatchOptions,
): string {
  let out = regexesToIgnore.reduce((rest, pattern) => rest.replace(new RegExp(pattern, "g"), ""), text);
  if (ignoreCase) out = out.toLowerCase();
  if (ignorePunctuation) out = out.replace(PUNCTUATION, "");
  if (ignoreNumbers) out = out.replace(/[0-9]/g, "");
  return out;
}
