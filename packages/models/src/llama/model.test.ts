import { fromFloat32 } from "@sdmprune/model-io";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { CausalLM } from "../causal-lm.js";
import { forwardHidden } from "../forward.js";
import { headLogits } from "../language-model-head.js";
import type { LoadOptions } from "../model-family.js";
import type { WeightSource } from "../weight-source.js";
import { llamaFamily } from "./family.js";

const models: CausalLM[] = [];
async function load(
  tiny: ReturnType<typeof tinyLlama>,
  options?: LoadOptions,
  source = tiny.source,
): Promise<CausalLM> {
  const model = await llamaFamily.load(source, llamaFamily.parseConfig(tiny.config), options);
  models.push(model);
  return model;
}

async function hiddenOf(model: CausalLM, ids: number[], batch = 1, options = {}): Promise<Float32Array> {
  const hidden = await forwardHidden(model, Int32Array.from(ids), batch, options);
  const values = (await hidden.data()) as Float32Array;
  hidden.dispose();
  return values;
}

/** A source that notes what is read of it. */
function recording(source: WeightSource): { source: WeightSource; reads: string[] } {
  const reads: string[] = [];
  return {
    reads,
    source: {
      ...source,
      read: (name, options) => {
        reads.push(options?.rows ? `${name} ${options.rows.join("-")}` : name);
        return source.read(name, options);
      },
    },
  };
}

beforeAll(activateCpuBackend);
afterEach(() => models.splice(0).forEach((model) => model.dispose()));

describe("loadLlama with a view", () => {
  const view = [Int32Array.of(0, 3, 4, 20, 23), undefined];

  it("has the widths of the view and the weights of the kept neurons", async () => {
    const tiny = tinyLlama({ biases: true });
    const model = await load(tiny, { view });
    expect(model.config.intermediateSizes).toEqual([5, 24]);
    const { gate, down, gateBias, downBias } = await model.mlpWeights(0);
    const rows = tiny.values("model.layers.0.mlp.gate_proj.weight"); // [24, 16]
    const columns = tiny.values("model.layers.0.mlp.down_proj.weight"); // [16, 24]
    const biases = tiny.values("model.layers.0.mlp.gate_proj.bias");
    expect(gate.arraySync()).toEqual(
      Array.from(view[0]!, (n) => Array.from(rows.subarray(n * 16, (n + 1) * 16))),
    );
    expect(down.arraySync()).toEqual(
      Array.from({ length: 16 }, (_, h) => Array.from(view[0]!, (n) => columns[h * 24 + n]!)),
    );
    expect(gateBias!.arraySync()).toEqual(Array.from(view[0]!, (n) => biases[n]!));
    expect(downBias!.shape).toEqual([16]);
    tf.dispose([...Object.values(await model.mlpWeights(0)), gate, down]);
  });

  it("gives what zeroing the other neurons' columns of down gives", async () => {
    const tiny = tinyLlama({ biases: true });
    const model = await load(tiny, { view });
    const kept = new Set(view[0]);
    const name = "model.layers.0.mlp.down_proj.weight";
    const zeroed = tiny.values(name).map((value, i) => (kept.has(i % 24) ? value : 0));
    const whole = await load(
      tiny,
      {},
      {
        ...tiny.source,
        read: (n, options) =>
          n === name ? Promise.resolve(fromFloat32(zeroed, "F32")) : tiny.source.read(n, options),
      },
    );
    const actual = await hiddenOf(model, [3, 4, 5]);
    const expected = await hiddenOf(whole, [3, 4, 5]);
    actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  });

  it.each([
    [[Int32Array.of(0)], "view: expected kept neurons for 2 layers, got 1."],
    [
      [undefined, Int32Array.of(2, 2)],
      "view: layer 1: expected at least one strictly rising index below 24, got 2 from 2 to 2.",
    ],
    [
      [Int32Array.of(0, 24), undefined],
      "view: layer 0: expected at least one strictly rising index below 24, got 2 from 0 to 24.",
    ],
    [
      [new Int32Array(0), undefined],
      "view: layer 0: expected at least one strictly rising index below 24, got 0",
    ],
  ])("rejects a view that does not fit (%#)", async (badView, message) => {
    await expect(load(tinyLlama(), { view: badView })).rejects.toThrow(message);
  });
});

describe("loadLlama, resident and streamed", () => {
  it("reads a resident model's weights once", async () => {
    const tiny = tinyLlama();
    const { source, reads } = recording(tiny.source);
    const model = await load(tiny, {}, source);
    expect(reads).toEqual(["model.norm.weight"]);
    await hiddenOf(model, [3, 4]);
    const once = reads.length;
    await hiddenOf(model, [3, 4]);
    expect(reads).toHaveLength(once);
    expect(new Set(reads).size).toBe(once);
  });

  it("reads a streamed model's blocks for every pass, and of the table only the rows of its tokens", async () => {
    const tiny = tinyLlama();
    const { source, reads } = recording(tiny.source);
    const model = await load(tiny, { residency: "streamed" }, source);
    const streamed = await hiddenOf(model, [9, 3, 4, 9]);
    expect(reads.filter((name) => name.startsWith("model.embed"))).toEqual([
      "model.embed_tokens.weight 3-5",
      "model.embed_tokens.weight 9-10",
    ]);
    await hiddenOf(model, [9]);
    expect(reads.filter((name) => name === "model.layers.1.mlp.up_proj.weight")).toHaveLength(2);
    expect(streamed).toEqual(await hiddenOf(await load(tiny), [9, 3, 4, 9]));
  });

  it("reads the head of a large vocabulary in chunks of rows", async () => {
    const tiny = tinyLlama({ tied: false });
    for (const residency of ["resident", "streamed"] as const) {
      const model = await load(tiny, { residency });
      const hidden = tf.ones<tf.Rank.R2>([1, 16]);
      const whole = await headLogits(model.head, hidden);
      const chunked = await headLogits({ ...model.head, chunkSize: 100 }, hidden);
      expect(chunked.shape).toEqual([1, 258]);
      expect(chunked.dataSync()).toEqual(whole.dataSync());
      tf.dispose([hidden, whole, chunked]);
    }
  });

  it.each(["F16", "BF16", "F64"] as const)("converts %s weights to float32", async (dtype) => {
    const model = await load(tinyLlama({ dtype }));
    const exact = await hiddenOf(await load(tinyLlama()), [3, 4]);
    const actual = await hiddenOf(model, [3, 4]);
    const worst = Math.max(...actual.map((value, i) => Math.abs(value - exact[i]!)));
    expect(worst).toBeLessThan(dtype === "F64" ? 1e-6 : 0.1);
    if (dtype !== "F64") expect(worst).toBeGreaterThan(0);
  });

  it("can be used again after a read failed, and holds nothing of the failure", async () => {
    const tiny = tinyLlama();
    let isBroken = true;
    const model = await load(
      tiny,
      {},
      {
        ...tiny.source,
        read: (name, options) =>
          isBroken && name.includes("up_proj")
            ? Promise.reject(new Error("disk gone"))
            : tiny.source.read(name, options),
      },
    );
    const ids = Int32Array.of(3, 4);
    await expect(forwardHidden(model, ids, 1)).rejects.toThrow("disk gone");
    isBroken = false;
    expect(await hiddenOf(model, [3, 4])).toEqual(await hiddenOf(await load(tiny), [3, 4]));
  });

  it("refuses work once it is disposed", async () => {
    const model = await load(tinyLlama());
    model.dispose();
    await expect(forwardHidden(model, Int32Array.of(3), 1)).rejects.toThrow("The model is disposed.");
  });
});

describe("parameters", () => {
  const name = "model.layers.0.mlp.up_proj.weight";

  it("can be replaced, also by a variable that is assigned to afterwards", async () => {
    const model = await load(tinyLlama());
    const before = await hiddenOf(model, [3, 4]);
    const old = await model.parameter(name);
    const variable = tf.variable(old);
    model.setParameter(name, variable);
    expect(await hiddenOf(model, [3, 4])).toEqual(before);
    const zeros = tf.zerosLike(old);
    variable.assign(zeros);
    expect(await hiddenOf(model, [3, 4])).not.toEqual(before);
    tf.dispose([old, zeros]);
  });

  it("must keep their shape, and stay as they are in a streamed model", async () => {
    const model = await load(tinyLlama());
    const wrong = tf.zeros([24, 24]);
    expect(() => model.setParameter(name, wrong)).toThrow(
      `Weight "${name}" must be float32 of shape [24, 16], got float32 [24, 24].`,
    );
    expect(() => model.setParameter("x", wrong)).toThrow(
      'Unknown parameter "x". The model has 20, such as "model.embed_tokens.weight".',
    );
    const streamed = await load(tinyLlama(), { residency: "streamed" });
    expect(() => streamed.setParameter(name, wrong)).toThrow(
      `Weight "${name}": a streamed model is read-only. Load it with residency "resident".`,
    );
    wrong.dispose();
  });
});

describe("sequence", () => {
  it("treats the sequences of a batch alone", async () => {
    const model = await load(tinyLlama());
    const both = await hiddenOf(model, [3, 4, 5, 60, 70, 80], 2);
    const second = await hiddenOf(model, [60, 70, 80]);
    second.forEach((value, i) => expect(value).toBeCloseTo(both[3 * 16 + i]!, 5));
  });

  it("keeps packed documents apart by a bias and positions of their own", async () => {
    const model = await load(tinyLlama());
    const bias = tf.tensor4d(
      [0, 0, 1, 1].flatMap((a) => [0, 0, 1, 1].map((b) => (a === b ? 0 : -1e30))),
      [1, 1, 4, 4],
    );
    const packed = await hiddenOf(model, [3, 4, 60, 70], 1, { attentionBias: bias, positions: [0, 1, 0, 1] });
    const second = await hiddenOf(model, [60, 70]);
    second.forEach((value, i) => expect(value).toBeCloseTo(packed[2 * 16 + i]!, 5));
    bias.dispose();
  });

  it("takes positions per token or for the whole batch", async () => {
    const model = await load(tinyLlama());
    await expect(
      forwardHidden(model, Int32Array.of(3, 4, 5, 6), 2, { positions: [0, 1, 2] }),
    ).rejects.toThrow("sequence: expected 2 positions, or 4 for a batch of 2, got 3.");
  });
});
