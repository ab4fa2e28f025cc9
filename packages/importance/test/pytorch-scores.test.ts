import onnxPlugin from "@sdmprune/backend-onnx";
import { Host, silentProgress } from "@sdmprune/core";
import type { CausalLM } from "@sdmprune/models";
import { selectBackend, tensorPlugin } from "@sdmprune/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createMagnitude,
  createSelfDistillation,
  createTaylor,
  createWanda,
  propagatingSweep,
} from "../src/index.js";
import { keepBest, loadModel, readFixture, relativeError, samplesOf, sweep } from "./tiny-llama-fixtures.js";

/** The plain engine is a reference of its own, and slow: one model will do. */
const cases = [
  { backend: "onnx", name: "tiny-llama" },
  { backend: "onnx", name: "tiny-llama-tied" },
  { backend: "cpu", name: "tiny-llama" },
] as const;

describe.each(cases)("on $backend, the scores of $name", ({ backend, name }) => {
  const fixture = readFixture(name);
  const { width, alpha, tau } = fixture;
  const samples = samplesOf(fixture);
  let model: CausalLM;
  let scores: Map<string, readonly Float64Array[]>;

  beforeAll(async () => {
    await selectBackend(new Host().use(onnxPlugin).use(tensorPlugin).registries, { name: backend });
    model = await loadModel(name);
    scores = await sweep(model, samples, {
      taylor: createTaylor(),
      selfDistillation: createSelfDistillation({ loss: "blend", alpha, tau }),
      entropy: createSelfDistillation({ loss: "entropy", alpha, tau }),
      magnitude: createMagnitude(),
      wanda: createWanda(),
    });
  });
  afterAll(() => model.dispose());

  it.each(["taylor", "selfDistillation", "entropy", "magnitude", "wanda"] as const)(
    "by %s are PyTorch's, and so are the neurons kept",
    (criterion) => {
      expect(relativeError(scores.get(criterion)!, fixture.scores[criterion])).toBeLessThan(1e-4);
      expect(keepBest(scores.get(criterion)!, width)).toEqual(fixture.kept[criterion]);
    },
  );

  it("by wanda with pruned layers feeding the next are PyTorch's, and so are the neurons kept", async () => {
    const all = fixture.scores.wanda.map((layer) => Int32Array.from(layer.keys()));
    const propagated = await propagatingSweep({
      student: model,
      samples,
      importance: "wanda",
      criterion: createWanda(),
      progress: silentProgress,
      cutLayer: (layer, score) => {
        const [kept] = keepBest([score], width);
        return loadModel(name, all.with(layer, Int32Array.from(kept!)));
      },
    });
    expect(relativeError(propagated, fixture.scores.wandaPropagated)).toBeLessThan(1e-4);
    expect(keepBest(propagated, width)).toEqual(fixture.kept.wandaPropagated);
  });

  it("of both stages of SDMPrune are PyTorch's, and so are the neurons kept", async () => {
    const { firstStageWidth, stage1, stage2 } = fixture.sdmprune;
    expect(relativeError(scores.get("taylor")!, stage1.scores)).toBeLessThan(1e-4);
    const first = keepBest(scores.get("taylor")!, firstStageWidth);
    expect(first).toEqual(stage1.kept);

    const student = await loadModel(
      name,
      first.map((kept) => Int32Array.from(kept)),
    );
    const criterion = createSelfDistillation({ loss: "blend", alpha, tau });
    const second = (await sweep(student, samples, { criterion }, { teacher: model })).get("criterion")!;
    student.dispose();
    expect(relativeError(second, stage2.scores)).toBeLessThan(1e-4);
    const kept = keepBest(second, width).map((indices, layer) => indices.map((n) => first[layer]![n]!));
    expect(kept).toEqual(stage2.kept);
  });
});
