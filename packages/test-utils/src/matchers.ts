import { tf } from "@sdmprune/tensor";

export interface Closeness {
  /** Relative tolerance. Default 1e-5. */
  rtol?: number;
  /** Absolute tolerance. Default 1e-6. */
  atol?: number;
}

type NestedNumbers = readonly (number | NestedNumbers)[];

declare module "vitest" {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- must repeat vitest's own declaration
  interface Matchers<T = any> {
    /**
     * Each value of a tensor is within `atol + rtol * |expected|`. Given a tensor or nested numbers, the shape counts
     * too; given a typed array, only the number of elements. Reads at once: for backends that can.
     */
    toBeCloseToTensor(expected: tf.Tensor | NestedNumbers | ArrayLike<number>, closeness?: Closeness): void;
    /** The function, once it is over, leaves as many tensors alive as there were. Await it if the function is async. */
    toLeakNoTensors(): T extends () => Promise<unknown> ? Promise<void> : void;
  }
}

interface MatcherResult {
  pass: boolean;
  message: () => string;
}

/** Matchers about tensors. Add them with `expect.extend(tensorMatchers)`. */
export const tensorMatchers = {
  toBeCloseToTensor(
    actual: tf.Tensor,
    expected: tf.Tensor | NestedNumbers | ArrayLike<number>,
    { rtol = 1e-5, atol = 1e-6 }: Closeness = {},
  ): MatcherResult {
    const { shape, values } = expectation(expected);
    const sizeFits = shape ? String(shape) === String(actual.shape) : values.length === actual.size;
    if (!sizeFits) {
      const wanted = shape ? `shape [${shape.join(", ")}]` : `${values.length} elements`;
      return {
        pass: false,
        message: () => `expected a tensor of ${wanted}, got shape [${actual.shape.join(", ")}]`,
      };
    }
    const found = actual.dataSync();
    const far = Array.from(values, (wanted, i) => ({ i, wanted, got: found[i]! })).filter(
      ({ wanted, got }) =>
        !(Object.is(got, wanted) || Math.abs(got - wanted) <= atol + rtol * Math.abs(wanted)),
    );
    const [first] = far;
    return {
      pass: !first,
      message: () =>
        first
          ? `expected ${values.length} values within ${atol} + ${rtol} * |expected|, but ${far.length} are not; ` +
            `the first, [${position(first.i, actual.shape)}], should be ${first.wanted} and is ${first.got}`
          : `expected a value to differ by more than ${atol} + ${rtol} * |expected|, but none does`,
    };
  },

  toLeakNoTensors(run: () => unknown): MatcherResult | Promise<MatcherResult> {
    const before = tf.memory().numTensors;
    const judge = (): MatcherResult => {
      const more = tf.memory().numTensors - before;
      return {
        pass: more === 0,
        message: () =>
          `expected the function ${more === 0 ? "to" : "not to"} change the number of tensors alive, but it changed by ${more}`,
      };
    };
    const result = run();
    return result instanceof Promise ? result.then(judge) : judge();
  },
};

function expectation(expected: tf.Tensor | NestedNumbers | ArrayLike<number>): {
  shape: readonly number[] | undefined;
  values: ArrayLike<number>;
} {
  if (expected instanceof tf.Tensor) return { shape: expected.shape, values: expected.dataSync() };
  if (!Array.isArray(expected)) return { shape: undefined, values: expected as ArrayLike<number> };
  const shape: number[] = [];
  for (let level: unknown = expected; Array.isArray(level); level = level[0]) shape.push(level.length);
  return { shape, values: (expected as NestedNumbers).flat(Infinity as 1) as number[] };
}

/** Row-major index to coordinates. */
function position(index: number, shape: readonly number[]): string {
  const coordinates = [];
  for (const size of [...shape].reverse()) {
    coordinates.unshift(index % size);
    index = Math.floor(index / size);
  }
  return coordinates.join(", ");
}
