import { describe, expect, it } from "vitest";
import { droppedPositions, dropoutMask } from "./dropout-mask.js";
import { useCpuBackend } from "../../test/cpu-backend.js";

useCpuBackend();

describe("droppedPositions", () => {
  it.each([0.001, 0.05, 0.5, 0.9])("drops each of a million values with probability %d", (rate) => {
    const size = 1e6;
    const positions = droppedPositions(size, { rate, seed: 2, label: "x" });
    const deviation = Math.sqrt(size * rate * (1 - rate));
    expect(Math.abs(positions.length - size * rate)).toBeLessThan(4 * deviation);
    expect(positions.every((position, i) => i === 0 || position > positions[i - 1]!)).toBe(true);
    expect(positions.at(-1)).toBeLessThan(size);
    // Neighbours are independent: both are dropped with probability rate^2.
    const pairs = positions.filter((position, i) => positions[i + 1] === position + 1).length;
    expect(Math.abs(pairs - size * rate ** 2)).toBeLessThan(6 * Math.sqrt(size * rate ** 2) + 1);
  });

  it("is the same for the same seed and label, another one for others, and longer for more values", () => {
    const of = (size: number, seed: number, label: string) =>
      droppedPositions(size, { rate: 0.1, seed, label });
    expect(of(500, 1, "q")).toEqual(of(500, 1, "q"));
    expect(of(500, 1, "q")).not.toEqual(of(500, 2, "q"));
    expect(of(500, 1, "q")).not.toEqual(of(500, 1, "k"));
    expect([...of(900, 1, "q")].filter((position) => position < 500)).toEqual([...of(500, 1, "q")]);
  });

  it("drops nothing at 0, and refuses 1", () => {
    expect(droppedPositions(100, { rate: 0, seed: 1, label: "" })).toHaveLength(0);
    expect(() => droppedPositions(100, { rate: 1, seed: 1, label: "" })).toThrow(
      "dropout: expected a rate from 0 to below 1, got 1.",
    );
  });
});

it("is the mask with zeros in these positions", () => {
  const dropout = { rate: 0.3, seed: 4, label: "y" };
  const mask = dropoutMask([5, 8], dropout);
  const zeros = [...mask.dataSync()].flatMap((value, i) => (value === 0 ? [i] : []));
  expect(zeros).toEqual([...droppedPositions(40, dropout)]);
  expect(mask.dataSync().filter((value) => value === 1)).toHaveLength(40 - zeros.length);
  mask.dispose();
});
