import { describe, expect, it } from "vitest";
import { requestBatches, truncateLeft } from "./request-batches.js";

const request = (context: number[], continuation: number[]) => ({ context, continuation });

describe("requestBatches", () => {
  const requests = [
    request([1], [2]),
    request([5, 6], [7]),
    request([5, 6], [8, 9]),
    request([1, 2, 3, 4], [9]),
    request([5, 6], [7]),
  ];

  it("groups by context, longest first, and asks equal requests once", () => {
    expect(requestBatches(requests, 8)).toEqual([
      [
        { context: [1, 2, 3, 4], continuations: [{ tokens: [9], requests: [3] }] },
        {
          context: [5, 6],
          continuations: [
            { tokens: [8, 9], requests: [2] },
            { tokens: [7], requests: [1, 4] },
          ],
        },
        { context: [1], continuations: [{ tokens: [2], requests: [0] }] },
      ],
    ]);
  });

  it("puts at most batchSize continuations into a batch, and leaves groups whole that fit one", () => {
    const sizes = (batchSize: number) =>
      requestBatches(requests, batchSize).map((groups) =>
        groups.map(({ continuations }) => continuations.length),
      );
    expect(sizes(1)).toEqual([[1], [1], [1], [1]]);
    expect(sizes(2)).toEqual([[1], [2], [1]]);
    expect(sizes(3)).toEqual([[1, 2], [1]]);
  });

  it("fills automatic batches by tokens, and repeats a context that needs several", () => {
    const long = Array.from({ length: 6 }, (_, i) => request([1, 2], Array<number>(400).fill(10 + i)));
    const batches = requestBatches([...long, request([3], [4])], "auto");
    const shape = batches.map((groups) => groups.map((g) => [g.context.length, g.continuations.length]));
    expect(shape).toEqual([[[2, 2]], [[2, 2]], [[2, 2], [1, 1]]]); // prettier-ignore
    const tooLong = request([1], Array<number>(5000).fill(2));
    expect(requestBatches([tooLong, request([3], [4])], "auto")).toHaveLength(2);
  });

  it("refuses a size that is none", () => {
    expect(() => requestBatches([], 0)).toThrow(
      'batchSize: expected a whole number from 1 or "auto", got 0.',
    );
  });
});

describe("truncateLeft", () => {
  it("keeps one token more than the model takes, since the last is not read", () => {
    const cut = truncateLeft(request([1, 2, 3], [4, 5]), 3);
    expect(cut).toEqual(request([2, 3], [4, 5]));
    expect(truncateLeft(request([1, 2, 3], [4, 5]), 4)).toEqual(request([1, 2, 3], [4, 5]));
    expect(truncateLeft(request([1, 2, 3], [4, 5]), 2)).toEqual(request([3], [4, 5]));
  });

  it("refuses a continuation that does not fit", () => {
    expect(() => truncateLeft(request([1], [2, 3, 4]), 2)).toThrow(
      "loglikelihood: expected a continuation of at most 2 tokens, the model's longest sequence, got 3.",
    );
  });
});
