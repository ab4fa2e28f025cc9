import { softmaxSums, tf, type LanguageModelHead } from "@sdmprune/tensor";

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

/**
 * Rows and tokens of the vocabulary whose logits are held at a time: few enough to stay in the cores' cache, and enough of
 * both for the product to be quick. The second is fixed, so that a row's sums do not depend on the other rows.
 */
const BLOCK_ROWS = 1024;
const CHUNK_TOKENS = 2048;

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
  const asked = rowsAsked(queries);
  const width = Math.min(CHUNK_TOKENS, head.chunkSize);
  const blocks: { rows: AskedRow[]; hidden: tf.Tensor2D }[] = [];
  try {
    for (let first = 0; first < asked.length; first += BLOCK_ROWS) {
      const rows = asked.slice(first, first + BLOCK_ROWS);
      blocks.push({ rows, hidden: hiddenOf(rows, hidden) });
    }
    for (let start = 0; start < head.vocabSize; start += width) {
      const weight = await head.chunk(start, Math.min(start + width, head.vocabSize)); // [C, H]
      try {
        for (const block of blocks) {
          const logits: tf.Tensor2D = tf.matMul(block.hidden, weight, false, true);
          try {
            await addChunk(block.rows, logits, start);
          } finally {
            logits.dispose();
          }
        }
      } finally {
        weight.dispose();
      }
    }
  } finally {
    for (const block of blocks) block.hidden.dispose();
  }
  const scores = new Array<TokenScore>(queries.length);
  for (const { max, sum, tokens } of asked) {
    for (const { query, logit, isFirst } of tokens) {
      scores[query] = { logprob: logit - max - Math.log(sum), isGreedy: isFirst && logit === max };
    }
  }
  return scores;
}

/** A row that is asked about, and what is known of its logits so far. */
interface AskedRow {
  readonly row: number;
  readonly tokens: AskedToken[];
  max: number;
  /** Of the exponentials of logits, less `max`. */
  sum: number;
}

interface AskedToken {
  readonly query: number;
  readonly token: number;
  logit: number;
  /** Whether no token before it is as likely, and none of its chunk is likelier. */
  isFirst: boolean;
}

function rowsAsked(queries: readonly TokenQuery[]): AskedRow[] {
  const asked = new Map<number, AskedRow>();
  for (const [query, { row, token }] of queries.entries()) {
    const known = asked.get(row) ?? { row, tokens: [], max: -Infinity, sum: 0 };
    asked.set(row, known);
    known.tokens.push({ query, token, logit: NaN, isFirst: false });
  }
  return [...asked.values()];
}

/** The hidden states of some rows; `[rows, H]`. */
function hiddenOf(asked: readonly AskedRow[], hidden: tf.Tensor2D): tf.Tensor2D {
  const rows = asked.map(({ row }) => row);
  return tf.tidy(() => tf.gather<tf.Tensor2D>(hidden, tf.tensor1d(rows, "int32")));
}

/** Takes the logits of a chunk of the vocabulary, the first of which is token `start`, into what is known of the rows. */
async function addChunk(block: readonly AskedRow[], logits: tf.Tensor2D, start: number): Promise<void> {
  const width = logits.shape[1];
  const inChunk = block.flatMap(({ tokens }, slot) =>
    tokens
      .filter(({ token }) => token >= start && token < start + width)
      .map((token) => ({ slot, place: slot * width + token.token - start, token })),
  );
  const values = await valuesAt(
    logits,
    inChunk.map(({ place }) => place),
  );
  const { max, sum } = await softmaxSums(logits);
  const candidates = inChunk.filter(({ slot, token }, i) => {
    token.logit = values[i]!;
    return token.logit === max[slot] && token.logit > block[slot]!.max;
  });
  const best = await firstMaxima(
    logits,
    candidates.map(({ slot }) => slot),
  );
  for (const [i, { token }] of candidates.entries()) token.isFirst = best[i] === token.token - start;
  for (const [slot, known] of block.entries()) {
    const next = Math.max(known.max, max[slot]!);
    known.sum =
      (known.sum === 0 ? 0 : known.sum * Math.exp(known.max - next)) +
      sum[slot]! * Math.exp(max[slot]! - next);
    known.max = next;
  }
}

/** Some values of a tensor, by their places in row-major order. */
async function valuesAt(x: tf.Tensor, places: readonly number[]): Promise<ArrayLike<number>> {
  if (places.length === 0) return [];
  return read(() => tf.gather(tf.reshape(x, [-1]), tf.tensor1d([...places], "int32")));
}

/** Column of the first maximum in each of some rows. */
async function firstMaxima(x: tf.Tensor2D, rows: readonly number[]): Promise<ArrayLike<number>> {
  if (rows.length === 0) return [];
  return read(() => tf.argMax(tf.gather(x, tf.tensor1d([...rows], "int32")), 1));
}

async function read(make: () => tf.Tensor): Promise<ArrayLike<number>> {
  const tensor = tf.tidy(make);
  try {
    return await tensor.data();
  } finally {
    tensor.dispose();
  }
}
