import { definePlugin, Host } from "@sdmprune/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { createCpuBackend } from "./cpu-backend.js";
import type { ActivateOptions, TensorBackend } from "./backend.js";
import { selectBackend, withBackend } from "./select-backend.js";
import { tensorPlugin } from "./tensor-plugin.js";

function hostWith(...backends: TensorBackend[]): Host {
  const plugin = definePlugin({
    name: "some backends",
    register(registries) {
      for (const backend of backends) registries.backends.register(backend.name, () => backend);
    },
  });
  return new Host().use(plugin);
}

function backendCalled(name: string, rest: Partial<TensorBackend> = {}): TensorBackend {
  return { ...createCpuBackend(), name, activate: () => Promise.resolve(), ...rest };
}

const lacking = (name: string, reason: string): TensorBackend =>
  backendCalled(name, { isAvailable: () => Promise.resolve({ available: false, reason }) });

describe("selectBackend", () => {
  it("activates the first of the order that can run, and says why not the others", async () => {
    const { registries } = hostWith(lacking("cuda", "no driver found")).use(tensorPlugin);
    const { backend, skipped } = await selectBackend(registries);
    expect(backend.name).toBe("cpu");
    expect(skipped).toEqual([{ name: "cuda", reason: "no driver found" }]);
    expect(tf.getBackend()).toBe("cpu");
    expect(backend.memory().numTensors).toBe(tf.memory().numTensors);
  });

  it("goes on to the next when one fails to start", async () => {
    const broken = backendCalled("webgpu", { activate: () => Promise.reject(new Error("device lost.")) });
    const { registries } = hostWith(backendCalled("onnx"), broken);
    const { backend, skipped } = await selectBackend(registries, { order: ["webgpu", "onnx"] });
    expect(backend.name).toBe("onnx");
    expect(skipped).toEqual([{ name: "webgpu", reason: "device lost" }]);
  });

  it("takes no other than the one that is named, and keeps the cause of its failure", async () => {
    const cause = new Error("device lost");
    const broken = backendCalled("webgpu", { activate: () => Promise.reject(cause) });
    const { registries } = hostWith(backendCalled("onnx"), broken);
    await expect(selectBackend(registries, { name: "webgpu" })).rejects.toMatchObject({
      message:
        "No tensor backend can run here (webgpu: device lost). Leave the backend's name out to take the first that can run.",
      cause,
    });
  });

  it("lists every reason when none can run", async () => {
    const { registries } = hostWith(
      lacking("cuda", "no driver found"),
      lacking("webgpu", "no adapter found"),
    );
    await expect(selectBackend(registries)).rejects.toThrow(
      "No tensor backend can run here (cuda: no driver found; webgpu: no adapter found).",
    );
  });

  it("suggests a name for one that is unknown, wherever it stands in the order", async () => {
    const { registries } = hostWith(backendCalled("onnx"));
    await expect(selectBackend(registries, { order: ["onnx", "onx"] })).rejects.toThrow(
      'Unknown backend "onx". Did you mean "onnx"?',
    );
  });

  it("hands the number of threads on, and refuses one that is none", async () => {
    const activate = vi.fn((_options?: ActivateOptions) => Promise.resolve());
    const { registries } = hostWith(backendCalled("onnx", { activate }));
    await selectBackend(registries, { threads: 3 });
    expect(activate).toHaveBeenCalledExactlyOnceWith({ threads: 3 });
    await expect(selectBackend(registries, { threads: 0 })).rejects.toThrow(
      "threads: expected a positive integer, got 0.",
    );
  });

  it("asks for a plugin when no backend is registered", async () => {
    await expect(selectBackend(new Host().registries)).rejects.toThrow(
      "expected at least one backend, got none.",
    );
  });
});

describe("withBackend", () => {
  it("disposes the backend when the body fails", async () => {
    const dispose = vi.fn();
    const { registries } = hostWith(backendCalled("onnx", { dispose }));
    const run = withBackend(registries, {}, ({ backend }) => {
      expect(backend.name).toBe("onnx");
      throw new Error("in the body");
    });
    await expect(run).rejects.toThrow("in the body");
    expect(dispose).toHaveBeenCalledOnce();
  });

  it("returns what the body returns", async () => {
    const host = new Host().use(tensorPlugin);
    const sum = await withBackend(host.registries, {}, async () => (await tf.sum([1, 2, 3]).data())[0]);
    expect(sum).toBe(6);
  });
});

describe("the cpu backend", () => {
  afterEach(() => vi.restoreAllMocks());

  it("prints nothing when the first tensor is made", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    tf.removeBackend("cpu");
    const { MathBackendCPU } = await import("@tensorflow/tfjs-backend-cpu");
    tf.registerBackend("cpu", () => new MathBackendCPU(), 1);
    await createCpuBackend().activate();
    tf.dispose(tf.add(1, 2));
    expect(warn).not.toHaveBeenCalled();
    expect(tf.env().getBool("IS_TEST")).toBe(false);
  });
});
