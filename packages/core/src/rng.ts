import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { UsageError } from "./errors.js";

/**
 * A seeded stream of random numbers: xoroshiro128+ (Blackman & Vigna 2018) of the package `pure-rand`.
 * The same seed and label give the same numbers on every machine.
 */
export class Rng {
  readonly #generator: RandomGenerator;
  #spareNormal: number | undefined;

  /**
   * @param seed - A non-negative safe integer.
   * @param label - Names an independent stream of the same seed, so that one consumer drawing more
   *   numbers does not change what another one sees.
   */
  constructor(
    readonly seed: number,
    readonly label = "",
  ) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new UsageError(`seed: expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}, got ${seed}.`);
    }
    this.#generator = xoroshiro128plus(fnv1a(`${seed}/${label}`));
  }

  /** An independent stream of the same seed. */
  fork(label: string): Rng {
    return new Rng(this.seed, this.label === "" ? label : `${this.label}/${label}`);
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    return uniformFloat64(this.#generator);
  }

  /** A uniform integer in [0, bound), without modulo bias. */
  integer(bound: number): number {
    if (!Number.isSafeInteger(bound) || bound < 1) {
      throw new UsageError(`Rng.integer: expected a bound of at least 1, got ${bound}.`);
    }
    return uniformInt(this.#generator, 0, bound - 1);
  }

  /** Standard normal (Box-Muller). */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}

/** 32-bit FNV-1a hash of a string's UTF-16 code units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash | 0;
}
