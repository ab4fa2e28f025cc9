import { expect, it } from "vitest";
import { expectNoLeak, expectValues, useCpuBackend } from "../../test/cpu-backend.js";
import { filledTensor } from "./filled-tensor.js";

useCpuBackend();

it("has the shape asked for and the values that were written, and is the only tensor made", () =>
  expectNoLeak(() => {
    const tensor = filledTensor([2, 3], (values) => values.forEach((_, i) => (values[i] = i)));
    expect(tensor.shape).toEqual([2, 3]);
    expect(tensor.dtype).toBe("float32");
    expectValues(tensor, [0, 1, 2, 3, 4, 5], 0);
  }));

it("leaves nothing behind when it cannot be filled", () =>
  expectNoLeak(() => {
    const fill = (): never => {
      throw new Error("no such file");
    };
    expect(() => filledTensor([1 << 12], fill)).toThrow("no such file");
  }));
