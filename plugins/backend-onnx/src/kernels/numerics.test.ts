import { Rng } from "@sdmprune/core";
import { tf } from "@sdmprune/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clearKernelLog, kernelLog, register } from "../tfjs.js";
import { setSmallTensor } from "./native-kernel.js";

// tfjs's own suite does not tell NaN from infinity, nor 0 from -0, and allows errors of 1e-3: this file does not.

beforeAll(async () => {
  await register();
  setSmallTensor(0);
});
afterAll(() => setSmallTensor());

const SPECIAL = [
  NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  100,
  -100,
  20,
  -20,
  1e-5,
  -1e-5,
  1e-30,
  -1e-30,
  3e38,
];
const random = (length: number, seed = 1): Float32Array => {
  const rng = new Rng(seed, "numerics");
  return Float32Array.from({ length }, () => 4 * rng.normal());
};

/** The values of `make()` on tfjs's CPU backend, and on this one. */
async function onBoth(make: () => tf.Tensor): Promise<{ cpu: ArrayLike<number>; onnx: ArrayLike<number> }> {
  const values: ArrayLike<number>[] = [];
  for (const backend of ["cpu", "onnx"]) {
    await tf.setBackend(backend);
    clearKernelLog();
    const result = tf.tidy(make);
    values.push(result.dataSync());
    result.dispose();
  }
  return { cpu: values[0]!, onnx: values[1]! };
}

/** As many ulps as a float32 function may err; 0 wants the same bits. */
function expectEqual({ cpu, onnx }: { cpu: ArrayLike<number>; onnx: ArrayLike<number> }, ulps: number): void {
  expect(onnx.length).toBe(cpu.length);
  for (let i = 0; i < cpu.length; i++) {
    const [want, got] = [cpu[i]!, onnx[i]!];
    if (Object.is(want, got)) continue;
    const allowed =
      ulps * 2 ** -23 * Math.abs(want) + (ulps > 0 ? 2 ** -126 : 0); /* below that, numbers are denormal */
    if (!(Math.abs(want - got) <= allowed))
      expect.fail(
        `at ${i}: cpu ${Object.is(want, -0) ? "-0" : want}, onnx ${Object.is(got, -0) ? "-0" : got}`,
      );
  }
}

function expectNative(): void {
  const fallbacks = kernelLog().filter(({ path }) => path === "fallback");
  expect(fallbacks.map(({ kernel }) => kernel)).toEqual([]);
}

type Unary = (x: tf.Tensor) => tf.Tensor;

const EXACT: Record<string, Unary> = {
  abs: tf.abs,
  ceil: tf.ceil,
  clipByValue: (x) => tf.clipByValue(x, -0.75, 2.1),
  floor: tf.floor,
  isFinite: tf.isFinite,
  isInf: tf.isInf,
  isNaN: tf.isNaN,
  neg: tf.neg,
  reciprocal: tf.reciprocal,
  relu: tf.relu,
  relu6: tf.relu6,
  round: tf.round,
  sign: tf.sign,
  sqrt: tf.sqrt,
  square: tf.square,
  step: (x) => tf.step(x, 0.25),
};

const CLOSE: Record<string, Unary> = {
  acos: tf.acos,
  acosh: tf.acosh,
  asin: tf.asin,
  asinh: tf.asinh,
  atan: tf.atan,
  atanh: tf.atanh,
  cos: tf.cos,
  cosh: tf.cosh,
  exp: tf.exp,
  expm1: tf.expm1,
  leakyRelu: (x) => tf.leakyRelu(x, 0.3),
  log: tf.log,
  log1p: tf.log1p,
  rsqrt: tf.rsqrt,
  sigmoid: tf.sigmoid,
  sin: tf.sin,
  sinh: tf.sinh,
  softplus: tf.softplus,
  tan: tf.tan,
  tanh: tf.tanh,
};

describe("functions of one tensor", () => {
  it.each(Object.entries(EXACT))("%s gives the bits that JavaScript gives", async (_, f) => {
    expectEqual(await onBoth(() => f(tf.tensor1d(SPECIAL))), 0);
    expectNative();
    expectEqual(await onBoth(() => f(tf.tensor1d(random(5000)))), 0);
  });

  it.each(Object.entries(CLOSE))("%s is within four units in the last place", async (_, f) => {
    expectEqual(await onBoth(() => f(tf.tensor1d(SPECIAL))), 4);
    expectNative();
    expectEqual(await onBoth(() => f(tf.tensor1d(random(5000)))), 4);
  });

  it.each([
    ["elu", tf.elu, Math.expm1],
    ["selu", tf.selu, (x: number) => 1.0507009873554805 * 1.6732632423543772 * Math.expm1(x)],
  ])("%s keeps its digits near 0, where exp(x) - 1 loses them", async (_, f, expected) => {
    await tf.setBackend("onnx");
    const x = Float32Array.of(-1e-30, -1e-7, -1e-3, -0.1, -3, -100);
    const y = tf.tidy(() => f(tf.tensor1d(x)).dataSync());
    x.forEach((v, i) => expect(Math.abs(y[i]! / expected(v) - 1)).toBeLessThan(1e-6));
  });
});

const pairs = SPECIAL.flatMap((a) => SPECIAL.map((b) => [a, b] as const));

const BINARY: Record<string, [(a: tf.Tensor, b: tf.Tensor) => tf.Tensor, number]> = {
  add: [tf.add, 0],
  sub: [tf.sub, 0],
  mul: [tf.mul, 0],
  div: [tf.div, 0],
  maximum: [tf.maximum, 0],
  minimum: [tf.minimum, 0],
  prelu: [tf.prelu, 0],
  equal: [tf.equal, 0],
  notEqual: [tf.notEqual, 0],
  less: [tf.less, 0],
  lessEqual: [tf.lessEqual, 0],
  greater: [tf.greater, 0],
  greaterEqual: [tf.greaterEqual, 0],
  squaredDifference: [tf.squaredDifference, 2],
  pow: [tf.pow, 4],
  mod: [tf.mod, 2],
};

describe("functions of two tensors", () => {
  it.each(Object.entries(BINARY))(
    "%s treats every pair of special values as JavaScript does",
    async (_, [f, ulps]) => {
      const a = pairs.map(([x]) => x);
      const b = pairs.map(([, y]) => y);
      expectEqual(await onBoth(() => f(tf.tensor1d(a), tf.tensor1d(b))), ulps);
      expectNative();
    },
  );

  it.each(Object.entries(BINARY))("%s broadcasts", async (_, [f, ulps]) => {
    const a = random(4 * 7 * 3);
    const b = random(7, 2);
    expectEqual(await onBoth(() => f(tf.tensor3d(a, [4, 7, 3]), tf.tensor2d(b, [7, 1]))), ulps);
    expectNative();
  });
});

describe("einsum", () => {
  it.each([
    [
      "ij,jk->ik",
      [
        [3, 4],
        [4, 5],
      ],
    ],
    [
      "bqhd,bkhd->bhqk",
      [
        [2, 3, 2, 4],
        [2, 5, 2, 4],
      ],
    ],
    ["ij->ji", [[3, 4]]],
    ["ij->", [[3, 4]]],
    ["i,j->ij", [[3], [4]]],
  ] as [string, number[][]][])("evaluates %s as tfjs does", async (equation, shapes) => {
    const make = () =>
      tf.einsum(equation, ...shapes.map((s, i) => tf.tensor(random(tf.util.sizeFromShape(s), i), s)));
    expectEqual(await onBoth(make), 100);
    expectNative();
  });
});

describe("dtypes", () => {
  it("takes integers stored as bytes and floats stored as integers, which tfjs's Cast leaves behind", async () => {
    await tf.setBackend("onnx");
    const flags = tf.tensor1d([true, false, true], "bool");
    const ints = tf.cast(flags, "int32");
    const floats = tf.cast(tf.tensor1d([3, -4, 5], "int32"), "float32");
    expect([...tf.add(ints, tf.tensor1d([1, 1, 1], "int32")).dataSync()]).toEqual([2, 1, 2]);
    expect([...tf.mul(floats, 0.5).dataSync()]).toEqual([1.5, -2, 2.5]);
    expect(tf.cast(flags, "int32").dataSync()).toBeInstanceOf(Int32Array);
    expect(tf.cast(ints, "float32").dataSync()).toBeInstanceOf(Float32Array);
  });

  it("casts towards zero, NaN to 0, and wraps at 2^32", async () => {
    const x = [1.9, -1.9, NaN, Infinity, 3e9, -0];
    expectEqual(await onBoth(() => tf.cast(tf.tensor1d(x), "int32")), 0);
    expectEqual(await onBoth(() => tf.cast(tf.tensor1d(x), "bool")), 0);
  });

  it("reads any byte but 0 as true", async () => {
    await tf.setBackend("onnx");
    const condition = tf.tensor1d(Uint8Array.of(2, 0, 255, 1), "bool");
    expect([...tf.logicalNot(condition).dataSync()]).toEqual([0, 1, 0, 0]);
    expect([...tf.where(condition, tf.ones([4]), tf.zeros([4])).dataSync()]).toEqual([1, 0, 1, 1]);
  });

  it.each(["add", "sub", "maximum", "minimum", "equal", "less"] as const)(
    "%s keeps integers exact",
    async (name) => {
      const a = Int32Array.of(2 ** 31 - 1, -(2 ** 31), 16777217, 0, -7);
      const b = Int32Array.of(1, -1, 16777216, 0, 3);
      const f = tf[name] as (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
      expectEqual(await onBoth(() => f(tf.tensor1d(a, "int32"), tf.tensor1d(b, "int32"))), 0);
      expectNative();
    },
  );
});

describe("reductions", () => {
  const x = random(6 * 5 * 7);
  const withNaN = Float32Array.from(x, (v, i) => (i % 31 === 3 ? NaN : i % 17 === 2 ? -Infinity : v));

  it.each([
    ["max", tf.max],
    ["min", tf.min],
  ] as const)("%s lets NaN through, which ONNX's does not", async (_, f) => {
    for (const axis of [0, 1, 2, [0, 2], [0, 1, 2]]) {
      expectEqual(await onBoth(() => f(tf.tensor3d(withNaN, [6, 5, 7]), axis)), 0);
      expectNative();
    }
  });

  it.each([
    ["argMax", tf.argMax],
    ["argMin", tf.argMin],
  ] as const)("%s passes over NaN as tfjs does", async (_, f) => {
    const first = Float32Array.from(withNaN, (v, i) => (i < 7 ? NaN : v));
    for (const axis of [0, 1, 2]) {
      expectEqual(await onBoth(() => f(tf.tensor3d(first, [6, 5, 7]), axis)), 0);
      expectNative();
    }
  });

  it.each([
    ["sum", tf.sum],
    ["mean", tf.mean],
    ["prod", tf.prod],
  ] as const)("%s agrees along all axes, kept or not", async (_, f) => {
    const positive = x.map((v) => 1 + v / 100);
    for (const axis of [0, 1, 2, [0, 2], [1, 2], [0, 1, 2]]) {
      expectEqual(await onBoth(() => f(tf.tensor3d(positive, [6, 5, 7]), axis, true)), 100);
      expectNative();
    }
    expect((await onBoth(() => f(tf.tensor1d([1, NaN, 2])))).onnx[0]).toBeNaN();
  });

  it("sums four million numbers to seven digits", async () => {
    await tf.setBackend("onnx");
    const values = random((1 << 22) + 77).map(Math.abs);
    const exact = values.reduce((sum, v) => sum + v, 0);
    const [sum, mean] = tf.tidy(() => {
      const x = tf.tensor1d(values);
      return [tf.sum(x).dataSync()[0]!, tf.mean(x).dataSync()[0]!];
    });
    expect(Math.abs(sum / exact - 1)).toBeLessThan(2e-7);
    expect(Math.abs((mean * values.length) / exact - 1)).toBeLessThan(2e-7);
    expectNative();
  });

  it("softmax makes a row with NaN or infinity NaN, and no other", async () => {
    const rows = [1, NaN, 3, 1, Infinity, 2, -Infinity, -Infinity, 0, 1000, 999, -1000];
    expectEqual(await onBoth(() => tf.softmax(tf.tensor2d(rows, [4, 3]))), 4);
    expectNative();
  });
});
