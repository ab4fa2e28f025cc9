import onnxPlugin from "@sdmprune/backend-onnx";
import { Host } from "@sdmprune/core";
import { languageModelLoss, selectBackend, tensorPlugin, tf } from "@sdmprune/tensor";
import { tinyLlama } from "@sdmprune/test-utils";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ActivationSpill } from "./activation-store.js";
import type { CausalLM } from "./causal-lm.js";
import {
  forwardBackward,
  forwardBackwardEach,
  type BackwardOptions,
  type LossInput,
} from "./forward-backward.js";
import { forwardHidden, forwardHiddenEach } from "./forward.js";
import { llamaFamily } from "./llama/family.js";
import type { LoadOptions } from "./model-family.js";
import type { WeightSource } from "./weight-source.js";

const SEQUENCES = [
  [5, 80, 200, 3, 17, 17],
  [1, 2, 3],
  [9, 9, 9, 9, 9, 250, 0],
].map((ids) => Int32Array.from(ids));

describe.each(["cpu", "onnx"])("several sequences block by block on %s", (backend) => {
  const models: CausalLM[] = [];
  const load = async (options: LoadOptions, source = tiny.source): Promise<CausalLM> => {
    const model = await llamaFamily.load(source, llamaFamily.parseConfig(tiny.config), options);
    models.push(model);
    return model;
  };
  const tiny = tinyLlama({ seed: 5, numLayers: 3, dtype: "BF16" });

  beforeAll(() => selectBackend(new Host().use(tensorPlugin).use(onnxPlugin).registries, { name: backend }));
  afterEach(() => models.splice(0).forEach((model) => model.dispose()));

  /** Loss and input gradient of each sequence, and what its observers saw, alone or together. */
  async function run(model: CausalLM, options: BackwardOptions, isTogether: boolean): Promise<unknown[]> {
    const seen: { order: string[]; values: Promise<unknown>[] }[] = [];
    const sequences = SEQUENCES.map((ids, i) => {
      seen[i] = { order: [], values: [] };
      return {
        ids,
        batch: 1,
        lossFn: (input: LossInput) => languageModelLoss({ ...input, loss: { kind: "cross-entropy" } }),
        onInputGradient: (gradient: tf.Tensor2D) => void seen[i]!.values.push(read(tf.clone(gradient))),
        observer: {
          mlp: ({ layer, gateGrad }: { layer: number; gateGrad?: tf.Tensor2D | undefined }) => {
            seen[i]!.order.push(`sequence ${i} layer ${layer}`);
            seen[i]!.values.push(read(tf.clone(gateGrad!)));
          },
        },
      };
    });
    const results = isTogether ? await forwardBackwardEach(model, sequences, options) : [];
    if (!isTogether) {
      for (const sequence of sequences)
        results.push(await forwardBackward(model, { ...sequence, ...options }));
    }
    const losses = results.map(({ loss }) => loss);
    return Promise.all(
      seen.map(async ({ order, values }, i) => ({
        loss: losses[i],
        order,
        values: await Promise.all(values),
      })),
    );
  }

  async function read(tensor: tf.Tensor): Promise<number[]> {
    const values = Array.from(await tensor.data());
    tensor.dispose();
    return values;
  }

  function memorySpill(): ActivationSpill {
    const written: Float32Array[] = [];
    return {
      write: (values) => Promise.resolve(written.push(values.slice()) - 1),
      read: (place, out) => Promise.resolve(out.set(written[place]!)),
      clear: () => void written.splice(0),
    };
  }

  it("has the bits of each alone: kept or recomputed, resident or streamed, in memory or spilled", async () => {
    const expected = await run(await load({}), {}, false);
    for (const residency of ["resident", "streamed"] as const) {
      const model = await load({ residency });
      for (const options of [
        { recompute: false },
        { recompute: true },
        { recompute: true, activations: { maxBytes: 0, spill: memorySpill() } },
        { recompute: true, activations: { maxBytes: 1000, spill: memorySpill() } },
      ]) {
        expect(await run(model, options, true)).toEqual(expected);
      }
    }
  });

  it("has the bits of each alone without gradients", async () => {
    const alone = [];
    for (const ids of SEQUENCES) alone.push(await read(await forwardHidden(await load({}), ids, 1)));
    const model = await load({ residency: "streamed" });
    const together = await forwardHiddenEach(
      model,
      SEQUENCES.map((ids) => ({ ids, batch: 1 })),
    );
    expect(await Promise.all(together.map(read))).toEqual(alone);
  });

  it("reads each block of a streamed model once in each direction, and the head once in each of its two passes", async () => {
    const reads = new Map<string, number>();
    const source: WeightSource = {
      ...tiny.source,
      read: (name, options) => {
        reads.set(name, (reads.get(name) ?? 0) + 1);
        return tiny.source.read(name, options);
      },
    };
    const model = await load({ residency: "streamed" }, source);
    reads.clear();
    await run(model, { recompute: true }, true);
    const ofBlocks = [...reads].filter(([name]) => name.includes(".layers."));
    expect(ofBlocks).toHaveLength(3 * 9);
    for (const [name, count] of ofBlocks) expect({ name, count }).toEqual({ name, count: 2 });
    reads.clear();
    await forwardHiddenEach(
      model,
      SEQUENCES.map((ids) => ({ ids, batch: 1 })),
    ).then(tf.dispose);
    expect([...reads].filter(([name, count]) => name.includes(".layers.") && count !== 1)).toEqual([]);
  });

  it("leaves no tensor behind, whether it succeeds or fails", async () => {
    const model = await load({ residency: "streamed" });
    const before = tf.memory().numTensors;
    await run(model, { recompute: true }, true);
    expect(tf.memory().numTensors).toBe(before);
    const failing = SEQUENCES.map((ids, i) => ({
      ids,
      batch: 1,
      lossFn: () =>
        i === 1
          ? Promise.reject(new Error("stop"))
          : Promise.resolve({ dHidden: tf.ones<tf.Rank.R2>([ids.length, 16]) }),
    }));
    for (const recompute of [false, true]) {
      await expect(forwardBackwardEach(model, failing, { recompute })).rejects.toThrow("stop");
      expect(tf.memory().numTensors).toBe(before);
    }
    const tooLong = [...SEQUENCES, new Int32Array(129)].map((ids) => ({ ids, batch: 1 }));
    await expect(forwardHiddenEach(model, tooLong)).rejects.toThrow("max_position_embeddings");
    expect(tf.memory().numTensors).toBe(before);
  });
});
