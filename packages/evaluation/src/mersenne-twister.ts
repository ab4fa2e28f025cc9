const N = 624;
const M = 397;

/**
 * MT19937 (Matsumoto & Nishimura 1998) seeded and read as Python's `random.Random(seed)` does, so that bootstraps
 * repeat lm-eval's draw by draw.
 */
export class MersenneTwister {
  readonly #state = new Uint32Array(N);
  #index = N;

  /** @param seed - An integer from 0 to 2^32 - 1. */
  constructor(seed: number) {
    // init_by_array with the one-word key [seed]
    const state = this.#state;
    state[0] = 19650218;
    for (let i = 1; i < N; i++) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = Math.imul(1812433253, before) + i;
    }
    let i = 1;
    for (let k = 0; k < N; k++) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = (state[i]! ^ Math.imul(before, 1664525)) + seed;
      if (++i >= N) {
        state[0] = state[N - 1]!;
        i = 1;
      }
    }
    for (let k = 0; k < N - 1; k++) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = (state[i]! ^ Math.imul(before, 1566083941)) - i;
      if (++i >= N) {
        state[0] = state[N - 1]!;
        i = 1;
      }
    }
    state[0] = 0x80000000;
  }

  /** Uniform in [0, 1) with 53 bits: Python's `random()`. */
  random(): number {
    const high = this.#next() >>> 5;
    const low = this.#next() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  #next(): number {
    if (this.#index >= N) this.#twist();
    let y = this.#state[this.#index++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return y ^ (y >>> 18);
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < N; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % N]! & 0x7fffffff);
      state[i] = state[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#index = 0;
  }
}
