import { IGNORED_LABEL, type TrainingSequence, type TrainingSequences } from "./training-sequences.js";

/** A stretch of an example as the model sees it. */
export interface RenderedPart {
  readonly text: string;
  /** Whether no loss is on it. */
  readonly isMasked: boolean;
}

/** One segment of a training sequence, decoded. */
export interface RenderedExample {
  /** What messages call its row. */
  readonly name: string;
  readonly numTokens: number;
  readonly numLossTokens: number;
  readonly parts: readonly RenderedPart[];
}

/** What rendering needs of a tokenizer; the Tokenizer of @sdmprune/model-io is one. */
export interface TokenDecoder {
  decode(ids: ArrayLike<number>): string;
}

/** Renders the first `count` examples that training will see, special tokens and all. */
export function renderExamples(
  sequences: TrainingSequences,
  decoder: TokenDecoder,
  count = 10,
): RenderedExample[] {
  const examples: RenderedExample[] = [];
  for (let index = 0; index < sequences.length && examples.length < count; index++) {
    const names = sequences.names(index);
    const rendered = renderSequence(sequences.get(index), decoder);
    examples.push(...rendered.map((example, i) => ({ name: names[i]!, ...example })));
  }
  return examples.slice(0, count);
}

/** Decodes the segments of one sequence, each in stretches with and without loss. */
export function renderSequence(
  { ids, labels, segmentLengths }: TrainingSequence,
  decoder: TokenDecoder,
): Omit<RenderedExample, "name">[] {
  let start = 0;
  return segmentLengths.map((numTokens) => {
    const end = start + numTokens;
    const parts: RenderedPart[] = [];
    let numLossTokens = 0;
    for (let from = start; from < end;) {
      const isMasked = labels[from] === IGNORED_LABEL;
      let to = from + 1;
      while (to < end && (labels[to] === IGNORED_LABEL) === isMasked) to++;
      if (!isMasked) numLossTokens += to - from;
      parts.push({ text: decoder.decode(ids.subarray(from, to)), isMasked });
      from = to;
    }
    start = end;
    return { numTokens, numLossTokens, parts };
  });
}

/** Marks of the part without loss: brackets that hardly any text has. */
const OPEN = "⟦";
const CLOSE = "⟧";

/** The examples as text for a person, what no loss is on between ⟦ and ⟧. */
export function formatExamples(examples: readonly RenderedExample[]): string {
  return examples
    .map(({ name, numTokens, numLossTokens, parts }, i) => {
      const head = `example ${i + 1} of ${examples.length}: ${name}, ${numTokens} tokens, loss on ${numLossTokens}`;
      const body = parts.map(({ text, isMasked }) => (isMasked ? `${OPEN}${text}${CLOSE}` : text)).join("");
      return `${head}\n${body}\n`;
    })
    .join("\n");
}
