import onnxPlugin from "@sdmprune/backend-onnx";
import { Host, InterruptedError, NonFiniteError, UsageError, type ProgressEvent } from "@sdmprune/core";
import type { CausalLM } from "@sdmprune/models";
import { selectBackend, tensorPlugin, tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sweep } from "../test/tiny-llama-fixtures.js";
import { tinyModel, tinySamples } from "../test/tiny-model.js";
import type { SweepState } from "./calibration-sweep.js";
import type { SweepTeacher } from "./sweep-teacher.js";
import type { ImportanceCriterion } from "./criterion.js";
import { createMagnitude } from "./criteria/magnitude.js";
import { createSelfDistillation, createTaylor } from "./criteria/self-distillation.js";
import { createWanda } from "./criteria/wanda.js";

const criteria = {
  wanda: createWanda(),
  taylor: createTaylor(),
  distilled: createSelfDistillation({ loss: "blend", alpha: 0.4, tau: 0.2 }),
  entropy: createSelfDistillation({ loss: "entropy", alpha: 0.4, tau: 0.2 }),
  ce: createSelfDistillation({ loss: "ce", alpha: 0.4, tau: 0.2 }),
  magnitude: createMagnitude(),
};

describe("calibrationSweep", () => {
  const samples = tinySamples(3);
  let model: CausalLM;
  let together: Awaited<ReturnType<typeof sweep>>;
  beforeAll(async () => {
    await activateCpuBackend();
    model = await tinyModel();
    together = await sweep(model, samples, criteria);
  });
  afterAll(() => model.dispose());

  it.each(Object.keys(criteria) as (keyof typeof criteria)[])(
    "gives %s the same bits alone as in company",
    async (name) => {
      const alone = await sweep(model, samples, { [name]: criteria[name] });
      expect(alone.get(name)).toEqual(together.get(name));
    },
  );

  it("gives criteria of one loss the same gradients", () => {
    expect(together.get("ce")).toEqual(together.get("taylor"));
    expect(together.get("distilled")).not.toEqual(together.get("taylor"));
  });

  it("takes the sum over the samples, each by itself", async () => {
    const each = await Promise.all(
      samples.map((sample) => sweep(model, [sample], { taylor: createTaylor() })),
    );
    const sum = together
      .get("taylor")![1]!
      .map((_, n) => each.map((scores) => scores.get("taylor")![1]![n]!).reduce((a, b) => a + b, 0));
    expect(sum).toEqual(together.get("taylor")![1]);
  });

  it("gives the same bits when blocks are recomputed in the backward pass", async () => {
    expect(await sweep(model, samples, criteria, { recompute: true })).toEqual(together);
  });

  it.each([
    ["two at a time", { microBatch: 2 }],
    ["all together, recomputed", { microBatch: 8, recompute: true }],
    ["together, without logits kept", { microBatch: 3, keepLogitsBytes: 0 }],
  ])("gives the same bits when samples pass the blocks %s", async (_how, policy) => {
    const done: number[] = [];
    const onSample = ({ nsamples }: SweepState) => void done.push(nsamples);
    expect(await sweep(model, samples, criteria, { ...policy, onSample })).toEqual(together);
    expect(done).toEqual(policy.microBatch === 2 ? [2, 3] : [3]);
  });

  it("gives the same bits when blocks are read for each micro-batch", async () => {
    const streamed = await tinyModel({ residency: "streamed" });
    const policy = { microBatch: 2, recompute: true };
    expect(await sweep(streamed, samples, criteria, policy)).toEqual(together);
    streamed.dispose();
  });

  it("shows every increment, in order, whose float64 sums are the scores", async () => {
    const sums = [new Float64Array(24), new Float64Array(24)];
    const counts = [0, 0];
    const scores = await sweep(
      model,
      samples,
      { taylor: createTaylor() },
      {
        microBatch: 2,
        onIncrement: (importance, layer, increment) => {
          expect(importance).toBe("taylor");
          counts[layer]!++;
          increment.forEach((value, n) => (sums[layer]![n]! += value));
        },
      },
    );
    expect(counts).toEqual([3, 3]);
    expect(sums).toEqual(scores.get("taylor"));
  });

  it("compares with what a teacher remembers as with the teacher itself", async () => {
    const view = [Int32Array.from({ length: 20 }, (_, n) => n), Int32Array.from({ length: 24 }, (_, n) => n)];
    const student = await tinyModel({}, view);
    const distilled = { distilled: criteria.distilled };
    const expected = await sweep(student, samples, distilled, { teacher: model });
    const remembered: Float32Array[] = [];
    for (const name of ["taylor", "wanda"] as const) {
      remembered.length = 0;
      await sweep(
        model,
        samples,
        { [name]: criteria[name] },
        {
          microBatch: 2,
          onFinalHidden: async (index, hidden) => {
            remembered[index] = ((await hidden.data()) as Float32Array).slice();
          },
        },
      );
      const teacher: SweepTeacher = {
        head: model.head,
        finalHidden: ({ start, samples }) =>
          Promise.resolve(samples.map((_, i) => tf.tensor2d(remembered[start + i]!, [12, 16]))),
      };
      expect(await sweep(student, samples, distilled, { teacher, microBatch: 2 })).toEqual(expected);
    }
    student.dispose();
  });

  it("refuses micro-batches of no samples", async () => {
    await expect(sweep(model, samples, criteria, { microBatch: 0 })).rejects.toThrow(
      "microBatch: expected a positive integer, got 0.",
    );
  });

  it("gives the same bits when it goes on from where another stopped", async () => {
    const saved: SweepState[] = [];
    await sweep(model, samples, criteria, { onSample: (state) => void saved.push(structuredClone(state)) });
    expect(saved.map(({ nsamples, numTokens }) => [nsamples, numTokens])).toEqual([
      [1, 12],
      [2, 24],
      [3, 36],
    ]);
    for (const resumeFrom of saved) {
      const events: ProgressEvent[] = [];
      const progress = (event: ProgressEvent) => void events.push(event);
      expect(await sweep(model, samples, criteria, { resumeFrom, progress })).toEqual(together);
      const first = { type: "advance", task: "score", done: resumeFrom.nsamples, total: 3, unit: "samples" };
      expect(events[1]).toEqual(first);
      expect(events.at(-1)).toEqual({ type: "end", task: "score" });
    }
  });

  it("refuses to go on from sums of another request", async () => {
    const state = { nsamples: 1, numTokens: 12 };
    const resuming = (resumeFrom: SweepState) =>
      sweep(model, samples, { taylor: createTaylor() }, { resumeFrom });
    const sums = new Map([["taylor", [new Float64Array(24), new Float64Array(24)]]]);
    await expect(resuming({ ...state, sums: new Map() })).rejects.toThrow(
      'resumeFrom: expected sums of "taylor" for MLPs of width [24, 24], got none.',
    );
    const other = new Map([["taylor", [new Float64Array(24), new Float64Array(23)]]]);
    await expect(resuming({ ...state, sums: other })).rejects.toThrow("width [24, 24], got [24, 23].");
    await expect(resuming({ sums, nsamples: 4, numTokens: 48 })).rejects.toThrow(
      "resumeFrom: expected at most 3 samples to be done, got 4.",
    );
  });

  it("runs no model where no criterion looks at data", async () => {
    const events: ProgressEvent[] = [];
    const progress = (event: ProgressEvent) => void events.push(event);
    const scores = await sweep(model, [], { magnitude: createMagnitude() }, { progress });
    expect(scores.get("magnitude")).toEqual(together.get("magnitude"));
    expect(events).toEqual([]);
  });

  it("shows a criterion of activations the forward pass alone", async () => {
    const seen: unknown[] = [];
    const spy: ImportanceCriterion = {
      needs: { activations: true },
      observe: ({ layer, gate, outputGrad }) => void seen.push([layer, gate.shape, outputGrad]),
    };
    await sweep(model, samples.slice(0, 1), { spy });
    expect(seen).toEqual([
      [0, [12, 24], undefined],
      [1, [12, 24], undefined],
    ]);
  });

  it("scores a student against another teacher than itself", async () => {
    const view = [Int32Array.from({ length: 20 }, (_, n) => n), Int32Array.from({ length: 24 }, (_, n) => n)];
    const student = await tinyModel({}, view);
    const distilled = { distilled: criteria.distilled };
    const byWhole = (await sweep(student, samples, distilled, { teacher: model })).get("distilled")!;
    const byItself = (await sweep(student, samples, distilled)).get("distilled")!;
    student.dispose();
    expect(byWhole.map(({ length }) => length)).toEqual([20, 24]);
    expect(byWhole).not.toEqual(byItself);
  });

  it("refuses to score by data without samples", async () => {
    const sweeping = sweep(model, [], { magnitude: createMagnitude(), wanda: createWanda() });
    await expect(sweeping).rejects.toThrow(UsageError);
    await expect(sweeping).rejects.toThrow('importance "wanda": expected calibration samples, got none.');
  });

  it("stops when it is told to, with the samples done so far saved", async () => {
    const controller = new AbortController();
    const done: number[] = [];
    const sweeping = sweep(model, samples, criteria, {
      signal: controller.signal,
      onSample: ({ nsamples }) => {
        done.push(nsamples);
        controller.abort();
      },
    });
    await expect(sweeping).rejects.toThrow(InterruptedError);
    expect(done).toEqual([1]);
  });

  it("leaves no tensor behind, whether it succeeds or fails", async () => {
    const before = tf.memory().numTensors;
    await sweep(model, samples, criteria, { microBatch: 2 });
    const failing: ImportanceCriterion = {
      needs: { gradients: { loss: "cross-entropy" } },
      observe: ({ layer, activationGrad }, scores) => {
        scores.add(
          layer,
          tf.tidy(() => tf.sum(activationGrad, 0)),
        );
        if (layer === 0) throw new Error("in observe");
      },
    };
    for (const microBatch of [1, 3]) {
      const sweeping = sweep(model, samples, { ...criteria, failing }, { microBatch });
      await expect(sweeping).rejects.toThrow("in observe");
    }
    const misfit: ImportanceCriterion = {
      needs: { activations: true },
      observe: ({ layer }, scores) => scores.add(layer, tf.ones([5])),
    };
    await expect(sweep(model, samples, { ...criteria, misfit })).rejects.toThrow("24 values for layer 0");
    const signal = AbortSignal.abort();
    await expect(sweep(model, samples, criteria, { signal })).rejects.toThrow("Interrupted");
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe.each(["cpu", "onnx"])("calibrationSweep on %s, of a model with a NaN", (name) => {
  const samples = tinySamples(2);
  beforeAll(() => selectBackend(new Host().use(tensorPlugin).use(onnxPlugin).registries, { name }));

  async function messageOf(spoil: string, criterion: keyof typeof criteria): Promise<string> {
    const before = tf.memory().numTensors;
    const model = await tinyModel({ spoil, tied: false });
    try {
      await sweep(model, samples, { [criterion]: criteria[criterion] });
      return "no error";
    } catch (error) {
      expect(error).toBeInstanceOf(NonFiniteError);
      return (error as Error).message;
    } finally {
      model.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }
  }

  it.each([
    ["model.layers.0.self_attn.q_proj.weight", "layer 0 is the first"],
    ["model.layers.1.mlp.up_proj.weight", "layer 1 is the first"],
    ["model.layers.1.mlp.down_proj.weight", "layer 1 is the first"],
    ["model.norm.weight", "every layer puts out finite values, so look at the final norm, the LM head"],
    ["lm_head.weight", "every layer puts out finite values, so look at the final norm, the LM head"],
  ])("names the sample, and the layer that %s spoils", async (spoil, where) => {
    const message = await messageOf(spoil, "taylor");
    expect(message).toContain(`The cross-entropy loss of sample doc-0 at token 0 is NaN; ${where}`);
    expect(message).toContain("Check the checkpoint for NaN or infinite weights.");
    expect(await messageOf(spoil, "distilled")).toContain("The blend loss of sample doc-0 at token 0 is NaN");
  });

  it("names layer, sample and neuron where there is no loss", async () => {
    expect(await messageOf("model.layers.1.mlp.up_proj.weight", "wanda")).toContain(
      'importance "wanda": layer 1, sample doc-0 at token 0: neuron 23 got the score NaN.',
    );
    expect(await messageOf("model.layers.1.mlp.gate_proj.weight", "magnitude")).toContain(
      'importance "magnitude": layer 1: neuron 23 got the score NaN. Check the checkpoint',
    );
  });
});
