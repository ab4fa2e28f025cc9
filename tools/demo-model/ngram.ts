import { UsageError } from "@sdmprune/core";

/** A 3-gram model over token ids. */
export interface TrigramModel {
  /** P(id | before2, before1), where `before1` is the token right before. Sums to 1 over all ids. */
  probability(before2: number, before1: number, id: number): number;
}

/** How much is taken from counts of 1, of 2, and of 3 or more. */
type Discounts = readonly [one: number, two: number, more: number];

/** One order of the model: adjusted counts of n-grams, and sums over the last token of each context. */
interface Order {
  counts: Map<number, number>;
  totals: Map<number, number>;
  /** Mass given to the order below, per context. */
  backoff: Map<number, number>;
  discounts: Discounts;
}

/**
 * Interpolated Kneser-Ney smoothing with three discounts an order (Chen & Goodman 1999,
 * https://doi.org/10.1006/csla.1999.0128): the strongest of the classic 3-gram models. The lower orders count
 * the different contexts a token follows instead of its occurrences; below the 1-gram stands the uniform
 * distribution.
 *
 * @param ids - Training text as token ids.
 * @param vocabSize - Number of ids; its cube must be a safe integer.
 * @throws {UsageError} If the text has fewer than three tokens or an id outside the vocabulary.
 */
export function trainTrigram(ids: ArrayLike<number>, vocabSize: number): TrigramModel {
  if (ids.length < 3) {
    throw new UsageError(`trainTrigram: expected at least 3 tokens, got ${ids.length}.`);
  }
  const V = vocabSize;
  const trigramCounts = new Map<number, number>();
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (!(id >= 0 && id < V)) {
      throw new UsageError(`trainTrigram: expected ids from 0 to ${V - 1}, got ${id} at position ${i}.`);
    }
    if (i >= 2) {
      increment(trigramCounts, (ids[i - 2]! * V + ids[i - 1]!) * V + id);
    }
  }
  // Dropping the first token of each different n-gram counts the contexts in which the rest occurs.
  const bigramCounts = continuationCounts(trigramCounts, V * V);
  const unigramCounts = continuationCounts(bigramCounts, V);
  const [unigrams, bigrams, trigrams] = [unigramCounts, bigramCounts, trigramCounts].map((counts) =>
    createOrder(counts, V),
  ) as [Order, Order, Order];

  return {
    probability(before2, before1, id) {
      const unigram = interpolate(unigrams, 0, id, V, 1 / V);
      const bigram = interpolate(bigrams, before1, id, V, unigram);
      return interpolate(trigrams, before2 * V + before1, id, V, bigram);
    },
  };
}

/** Perplexity of a 3-gram model on text; every token from the third on is predicted. */
export function trigramPerplexity(model: TrigramModel, ids: ArrayLike<number>): number {
  let nll = 0;
  for (let i = 2; i < ids.length; i++) {
    nll -= Math.log(model.probability(ids[i - 2]!, ids[i - 1]!, ids[i]!));
  }
  return Math.exp(nll / (ids.length - 2));
}

function increment(counts: Map<number, number>, key: number, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

function continuationCounts(counts: ReadonlyMap<number, number>, modulus: number): Map<number, number> {
  const out = new Map<number, number>();
  for (const key of counts.keys()) {
    increment(out, key % modulus);
  }
  return out;
}

function createOrder(counts: Map<number, number>, V: number): Order {
  const discounts = estimateDiscounts(counts);
  const totals = new Map<number, number>();
  const discounted = new Map<number, number>();
  for (const [key, count] of counts) {
    const context = Math.floor(key / V);
    increment(totals, context, count);
    increment(discounted, context, discountOf(count, discounts));
  }
  const backoff = new Map([...totals].map(([context, total]) => [context, discounted.get(context)! / total]));
  return { counts, totals, backoff, discounts };
}

/** Chen & Goodman's estimate from the number of n-grams seen once, twice, three and four times. */
function estimateDiscounts(counts: ReadonlyMap<number, number>): Discounts {
  const seen = [0, 0, 0, 0, 0];
  for (const count of counts.values()) {
    if (count <= 4) {
      seen[count]!++;
    }
  }
  const [, one, two, three, four] = seen as [number, number, number, number, number];
  const y = one + two === 0 ? 0.5 : one / (one + 2 * two);
  const estimate = (order: number, here: number, next: number): number =>
    here === 0 ? y * order : Math.min(Math.max(order - ((order + 1) * y * next) / here, 0), order);
  return [estimate(1, one, two), estimate(2, two, three), estimate(3, three, four)];
}

function discountOf(count: number, discounts: Discounts): number {
  return discounts[Math.min(count, 3) - 1]!;
}

function interpolate(order: Order, context: number, id: number, V: number, below: number): number {
  const total = order.totals.get(context);
  if (total === undefined) {
    return below; // never seen: the shorter context decides alone
  }
  const count = order.counts.get(context * V + id) ?? 0;
  const kept = count === 0 ? 0 : (count - discountOf(count, order.discounts)) / total;
  return kept + order.backoff.get(context)! * below;
}
