import { FormatError, Rng, UsageError } from "@sdmprune/core";
import { fromFloat32, tensorByteLength, type FloatDType } from "@sdmprune/model-io";
import {
  forwardHidden,
  headLogits,
  llamaFamily,
  type CausalLM,
  type RawConfig,
  type WeightSource,
} from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama, type TinyLlama } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { applyPlan, type ApplyPlanOptions, type PrunedTensor } from "./apply-plan.js";
import { modelShape } from "./model-shape.js";
import type { TensorEdits } from "./pruning-method.js";
import { createPlan, type PruningPlan } from "./pruning-plan.js";

/** What every layer of 24 neurons keeps: widths 7 and 11. */
const kept = [7, 11].map((width, layer) => {
  const neurons = new Rng(layer, "kept").shuffle(Array.from({ length: 24 }, (_, n) => n));
  return Int32Array.from(neurons.slice(0, width)).sort();
});

function planFor({ config: raw }: TinyLlama): { plan: PruningPlan; groups: ApplyPlanOptions["groups"] } {
  const config = llamaFamily.parseConfig(raw);
  const groups = llamaFamily.prunableGroups(config);
  const shapes = new Map(llamaFamily.expectedTensors(config).map(({ name, shape }) => [name, shape]));
  return {
    plan: createPlan(
      "llama",
      modelShape(groups, shapes, () => false),
      kept,
    ),
    groups,
  };
}

/** The tensors as a checkpoint in memory. */
function sourceOf(tensors: readonly PrunedTensor[]): WeightSource {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return {
    tensorNames: () => byName.keys(),
    info: (name) => byName.get(name)!,
    read: async (name, { rows } = {}) => {
      const { shape, dtype, data } = byName.get(name)!;
      const rowBytes = tensorByteLength(dtype, shape.slice(1), name);
      return rows ? (await data()).subarray(rows[0] * rowBytes, rows[1] * rowBytes) : data();
    },
  };
}

/** The element's bytes at `[row, column]` of a tensor, or at `[row]` of a vector. */
function element(
  bytes: Uint8Array,
  shape: readonly number[],
  itemSize: number,
  at: readonly number[],
): string {
  const index = shape.length === 1 ? at[0]! : at[0]! * shape[1]! + at[1]!;
  return bytes.subarray(index * itemSize, (index + 1) * itemSize).join(" ");
}

describe("applyPlan", () => {
  it.each<[FloatDType, number]>([
    ["BF16", 2],
    ["F32", 4],
    ["F64", 8],
  ])("keeps rows, columns and biases of %s bit for bit, and all else as it is", async (dtype, itemSize) => {
    const tiny = tinyLlama({ dtype, biases: true });
    const { plan, groups } = planFor(tiny);
    const pruned = applyPlan(tiny.source, plan, { groups });
    expect(pruned.map(({ name }) => name)).toEqual([...tiny.source.tensorNames()]);
    for (const { name, dtype: prunedDtype, shape, data } of pruned) {
      const source = { ...tiny.source.info(name), bytes: await tiny.source.read(name) };
      const bytes = await data();
      expect(prunedDtype).toBe(dtype);
      expect(bytes.byteLength).toBe(tensorByteLength(dtype, shape, name));
      const [, layer, part] = /layers\.(\d)\.mlp\.(.*)$/.exec(name) ?? [];
      const neurons = kept[Number(layer)];
      if (!neurons || part === "down_proj.bias") {
        expect(bytes, name).toEqual(source.bytes);
        continue;
      }
      const axis = part === "down_proj.weight" ? 1 : 0;
      expect(shape).toEqual(source.shape.map((size, i) => (i === axis ? neurons.length : size)));
      for (let row = 0; row < shape[0]!; row++) {
        for (let column = 0; column < (shape[1] ?? 1); column++) {
          const from = axis === 0 ? [neurons[row]!, column] : [row, neurons[column]!];
          expect(element(bytes, shape, itemSize, [row, column])).toBe(
            element(source.bytes, source.shape, itemSize, from),
          );
        }
      }
    }
  });

  it("gives every tensor as it is under a plan that removes nothing", async () => {
    const tiny = tinyLlama({ dtype: "BF16", tied: false });
    const { plan, groups } = planFor(tiny);
    const all = Array.from({ length: 24 }, (_, n) => n);
    const whole = { ...plan, layers: plan.layers.map((layer) => ({ ...layer, width: 24, kept: all })) };
    for (const { name, shape, data } of applyPlan(tiny.source, whole, { groups, padTo: 24 })) {
      expect(shape).toEqual(tiny.source.info(name).shape);
      expect(await data()).toEqual(await tiny.source.read(name));
    }
  });

  it("reads nothing before a tensor's turn comes", async () => {
    const tiny = tinyLlama();
    const { plan, groups } = planFor(tiny);
    const read: string[] = [];
    const source: WeightSource = {
      ...tiny.source,
      read: (name) => (read.push(name), tiny.source.read(name)),
    };
    const pruned = applyPlan(source, plan, { groups });
    expect(read).toEqual([]);
    await pruned[2]!.data();
    expect(read).toEqual([pruned[2]!.name]);
  });

  describe("with edits", () => {
    const name = "model.layers.0.mlp.down_proj.weight"; // [H=16, F=24]
    const edit = (value: number, ...names: string[]): TensorEdits => ({
      names,
      read: () => Promise.resolve(fromFloat32(new Float32Array(16 * 24).fill(value), "F32")),
    });

    it("cuts the neurons out of the replaced values, the last edit of a tensor winning", async () => {
      const tiny = tinyLlama();
      const { plan, groups } = planFor(tiny);
      const other = "model.layers.1.mlp.down_proj.weight";
      const edits = [edit(1, name, other), edit(2, name)];
      const pruned = new Map(
        applyPlan(tiny.source, plan, { groups, edits }).map((tensor) => [tensor.name, tensor]),
      );
      expect(new Float32Array((await pruned.get(name)!.data()).buffer)).toEqual(
        new Float32Array(16 * 7).fill(2),
      );
      expect(new Float32Array((await pruned.get(other)!.data()).buffer)).toEqual(
        new Float32Array(16 * 11).fill(1),
      );
    });

    it("refuses an edit of another size, or of no tensor", async () => {
      const tiny = tinyLlama({ dtype: "BF16" });
      const { plan, groups } = planFor(tiny);
      const pruned = applyPlan(tiny.source, plan, { groups, edits: [edit(1, name)] });
      const reading = pruned.find((tensor) => tensor.name === name)!.data();
      await expect(reading).rejects.toThrow(FormatError);
      await expect(reading).rejects.toThrow(`edit of tensor "${name}": expected 768 bytes, got 1536.`);
      expect(() => applyPlan(tiny.source, plan, { groups, edits: [edit(1, "lm_head.bias")] })).toThrow(
        'checkpoint: expected tensor "lm_head.bias", which an edit names, got no such tensor.',
      );
    });
  });

  it("refuses a plan of another model, and padding to less than a layer keeps", () => {
    const tiny = tinyLlama();
    const { plan, groups } = planFor(tiny);
    const applying = (more: Partial<ApplyPlanOptions>, source: WeightSource = tiny.source) =>
      expect(() => applyPlan(source, plan, { groups, ...more }));
    applying({ groups: groups.slice(1) }).toThrow(UsageError);
    applying({ groups: groups.slice(1) }).toThrow("plan: expected 1 layers, as the model has, got 2.");
    applying({}, tinyLlama({ intermediateSize: 32 }).source).toThrow(
      'plan: layer 0 is planned for 24 neurons, but "model.layers.0.mlp.gate_proj.weight" has shape [32, 16].',
    );
    applying({}, tinyLlama({ numLayers: 1 }).source).toThrow(
      'checkpoint: expected tensor "model.layers.1.mlp.gate_proj.weight", which a prunable group names, got no such tensor.',
    );
    applying({ padTo: 10 }).toThrow("padTo: expected at least 11, the width of layer 1, got 10.");
  });
});

describe("a model of unequal widths", () => {
  const ids = Int32Array.of(5, 0, 250, 31, 7, 7);
  beforeAll(activateCpuBackend);

  async function logits(
    source: WeightSource,
    raw: RawConfig,
    view?: readonly Int32Array[],
  ): Promise<Float32Array> {
    const model: CausalLM = await llamaFamily.load(source, llamaFamily.parseConfig(raw), view && { view });
    const hidden = await forwardHidden(model, ids, 1);
    const output = await headLogits(model.head, hidden);
    const values = await output.data<"float32">();
    tf.dispose([hidden, output]);
    model.dispose();
    return values;
  }

  it.each([false, true])(
    "has the same logits as a view of the whole, as a model of its own and zero-padded (biases: %s)",
    async (biases) => {
      const tiny = tinyLlama({ biases });
      const { plan, groups } = planFor(tiny);
      const expected = await logits(tiny.source, tiny.config, kept);
      const whole = await logits(tiny.source, tiny.config);
      expect(Math.max(...expected.map((z, i) => Math.abs(z - whole[i]!)))).toBeGreaterThan(0.1);

      const asIs = sourceOf(applyPlan(tiny.source, plan, { groups }));
      const ownWidths = { ...tiny.config, ...llamaFamily.setWidth(tiny.config, [7, 11]) };
      expect(await logits(asIs, ownWidths)).toEqual(expected);

      for (const padTo of [11, 16]) {
        const padded = sourceOf(applyPlan(tiny.source, plan, { groups, padTo }));
        expect(padded.info("model.layers.0.mlp.down_proj.weight").shape).toEqual([16, padTo]);
        const found = await logits(padded, { ...tiny.config, ...llamaFamily.setWidth(tiny.config, padTo) });
        // Zeros add exactly nothing; an engine may sum in another order.
        expect(Math.max(...found.map((z, i) => Math.abs(z - expected[i]!)))).toBeLessThan(1e-5);
      }
    },
  );
});
