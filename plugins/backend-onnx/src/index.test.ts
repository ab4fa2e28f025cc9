import { Host } from "@sdmprune/core";
import { selectBackend, tf } from "@sdmprune/tensor";
import { expect, it } from "vitest";
import plugin from "./index.js";

it("registers a backend which can be chosen, used, disposed and used again", async () => {
  const host = new Host();
  host.use(plugin);
  const { backend } = await selectBackend(host.registries, { name: "onnx", threads: 2 });
  expect(tf.getBackend()).toBe("onnx");
  expect(backend.capabilities).toEqual({ synchronous: true, float16: false, device: "cpu" });
  const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  const square = () => tf.tidy(() => [...tf.matMul(x, x).dataSync()]);
  expect(square()).toEqual([7, 10, 15, 22]);
  await backend.dispose?.();
  expect(square()).toEqual([7, 10, 15, 22]);
  x.dispose();
  expect(backend.memory().numTensors).toBe(0);
});
