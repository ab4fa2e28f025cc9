import { tf, type LanguageModelHead } from "@sdmprune/tensor";

/** A token, and the hidden state that predicts it. */
export interface TokenQuery {
  readonly row: number;
  readonly token: number;
}

export interface TokenScore {
  /** Natural logarithm of the token's probability. */
  readonly logprob: number;
  /** Whether no token is likelier and none before it in the vocabulary is as likely. */
  readonly isGreedy: boolean;
}

/** Logits held at a time. */
const BLOCK_LOGITS = 1 << 22;

/**
 * Scores tokens. Logits are float32, and made only for the rows that are asked about, by blocks of rows and chunks of
 * the vocabulary; their softmax is summed in float64.
 *
 * @param hidden - Output of the final norm; shape `[N, H]`. Stays the caller's.
 * @returns One score per query.
 */
export async function nextTokenScores(
  head: LanguageModelHead,
  hidden: tf.Tensor2D,
  queries: readonly TokenQuery[],
): Promise<TokenScore[]> {
  const rows = [...new Set(queries.map(({ row }) => row))].sort((a, b) => a - b);
  const slotOf = new Map(rows.map((row, slot) => [row, slot]));
  const normalisers = rows.map(() => ({ max: -Infinity, argMax: -1, sum: 0 }));
  const logits = new Float64Array(queries.length);
  const perBlock = Math.max(1, Math.floor(BLOCK_LOGITS / Math.min(head.chunkSize, head.vocabSize)));
  const queriesOf = rows.map((): number[] => []);
  for (const [q, { row }] of queries.entries()) queriesOf[slotOf.get(row)!]!.push(q);

  for (let start = 0; start < head.vocabSize; start += head.chunkSize) {
    const end = Math.min(start + head.chunkSize, head.vocabSize);
    const weight = await head.chunk(start, end);
    try {
      for (let first = 0; first < rows.length; first += perBlock) {
        const block = rows.slice(first, first + perBlock);
        const values = blockLogits(hidden, block, weight);
        for (let i = 0; i < block.length; i++) {
          const row = values.subarray(i * (end - start), (i + 1) * (end - start));
          addChunk(normalisers[first + i]!, row, start);
          for (const q of queriesOf[first + i]!) {
            const { token } = queries[q]!;
            if (token >= start && token < end) logits[q] = row[token - start]!;
          }
        }
      }
    } finally {
      weight.dispose();
    }
  }
  return queries.map(({ row, token }, q) => {
    const { max, sum, argMax } = normalisers[slotOf.get(row)!]!;
    return { logprob: logits[q]! - max - Math.log(sum), isGreedy: argMax === token };
  });
}

/** `[rows, C]` logits of some rows and a chunk `[C, H]` of the vocabulary. */
function blockLogits(hidden: tf.Tensor2D, rows: readonly number[], weight: tf.Tensor2D): Float32Array {
  const logits = tf.tidy(() =>
    tf.matMul(tf.gather(hidden, tf.tensor1d([...rows], "int32")), weight, false, true),
  );
  try {
    return logits.dataSync<"float32">();
  } finally {
    logits.dispose();
  }
}

/** Takes a row's logits, the first of which is that of token `start`, into its maximum and sum of exponentials. */
function addChunk(
  normaliser: { max: number; argMax: number; sum: number },
  logits: Float32Array,
  start: number,
): void {
  let { max, argMax } = normaliser;
  for (let c = 0; c < logits.length; c++) {
    if (logits[c]! > max) {
      max = logits[c]!;
      argMax = start + c;
    }
  }
  let sum = normaliser.sum === 0 ? 0 : normaliser.sum * Math.exp(normaliser.max - max);
  for (let c = 0; c < logits.length; c++) sum += Math.exp(logits[c]! - max);
  normaliser.max = max;
  normaliser.argMax = argMax;
  normaliser.sum = sum;
}
