import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
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
   * @throws {UsageError} If the seed is negative, fractional or too large.
   */
  constructor(
    readonly seed: number,
    readonly label = "",
  ) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new UsageError(`seed: expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}, got ${seed}.`);
    }
    this.#generator = xoroshiro128plusFromState(hash128(`${seed}/${label}`));
  }

  /** An independent stream of the same seed. */
  fork(label: string): Rng {
    return new Rng(this.seed, this.label === "" ? label : `${this.label}/${label}`);
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    return uniformFloat64(this.#generator);
  }

  /** A uniform integer in [0, 2^32). */
  uint32(): number {
    return this.#generator.next() >>> 0;
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

/**
 * The 128 bits of state for a text: four FNV-1a hashes with different bases, each finished by MurmurHash3's mixer.
 * xoroshiro128+ starts slowly from similar states, so the state of "…/a" and "…/b" must have nothing in common.
 */
function hash128(text: string): number[] {
  return [0x811c9dc5, 0x01234567, 0x5bd1e995, 0x9e3779b9].map((base) => {
    let hash = base;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  });
}
