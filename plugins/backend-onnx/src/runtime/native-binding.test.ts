import { createRequire } from "node:module";
import { expect, it } from "vitest";
import { GraphBuilder } from "./graph-builder.js";
import { nativeBinding, runInPlace } from "./native-binding.js";

const require = createRequire(import.meta.url);

/** What this package relies on beyond the public API of onnxruntime-node: a new version is to be read before it is taken. */
it("runs on the version of onnxruntime-node that the deep import was written for, pinned exactly", () => {
  const own = require("../../package.json") as { dependencies: Record<string, string> };
  const installed = require("onnxruntime-node/package.json") as { version: string };
  expect(own.dependencies["onnxruntime-node"]).toBe("1.30.0");
  expect(installed.version).toBe("1.30.0");
});

function doubling(): Uint8Array {
  const g = new GraphBuilder();
  const x = g.input("float32");
  g.output(g.op("Add", [x, x]), "float32");
  return g.encode();
}

it("runs a graph at once and writes into the array it was given", () => {
  const { createSession, createTensor } = nativeBinding();
  const session = createSession();
  const model = doubling();
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, { logSeverityLevel: 4 });
  const y = new Float32Array(4);
  const whole = Float32Array.of(9, 1, 2, 3, 4, 9);
  session.run(
    { i0: createTensor("float32", whole.subarray(1, 5), [2, 2]) },
    { o0: createTensor("float32", y, [2, 2]) },
    {},
  );
  expect([...y]).toEqual([2, 4, 6, 8]);
  session.run(
    { i0: createTensor("float32", y, [4]) },
    { o0: createTensor("float32", y.subarray(0), [4]) },
    {},
  );
  expect([...y]).toEqual([4, 8, 12, 16]); // another shape, same session
  session.dispose();
});

it("throws what ONNX Runtime says, and lives on", () => {
  const { createSession, createTensor } = nativeBinding();
  const session = createSession();
  const model = doubling();
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, { logSeverityLevel: 4 });
  const x = createTensor("float32", new Float32Array(4), [4]);
  const y = createTensor("float32", new Float32Array(3), [3]);
  expect(() => session.run({ i0: x }, { o0: y }, {})).toThrow(/shape/i);
  session.dispose();
});

it("leaves results in the arrays that are given, without the copies of them that the binding would make", () => {
  const { createSession, createTensor } = nativeBinding();
  const session = createSession();
  const model = doubling();
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, { logSeverityLevel: 4 });
  const size = 1 << 20;
  const [x, y] = [createTensor("float32", new Float32Array(size).fill(3), [size]), new Float32Array(size)];
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 20; i++) runInPlace(session, { i0: x }, { o0: createTensor("float32", y, [size]) });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(size * 4);
  expect([y[0], y[size - 1]]).toEqual([6, 6]);
  const short = createTensor("float32", new Float32Array(3), [3]);
  expect(() => runInPlace(session, { i0: x }, { o0: short })).toThrow(/shape/i);
  session.dispose();
});
