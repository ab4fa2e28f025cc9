import { Rng, silentProgress, type Registries } from "@sdmprune/core";
import {
  calibrationSweep,
  propagatingSweep,
  type ImportanceCriterion,
  type SweepRequest,
  type SweepSample,
} from "@sdmprune/importance";
import { llamaFamily, type CausalLM, type LlamaConfig } from "@sdmprune/models";
import {
  modelShape,
  selectNeurons,
  type KeptNeurons,
  type ModelShape,
  type PruningMethod,
  type StageContext,
  type TensorEdits,
} from "@sdmprune/pruning";
import { expect } from "vitest";
import { BYTE_TOKENIZER } from "../byte-tokenizer.js";
import { tinyLlama, type TinyLlama } from "../tiny-llama.js";

/** The tiny Llama that extensions are tried out on, and what to feed it. */
export interface TinyRun {
  readonly tiny: TinyLlama;
  readonly config: LlamaConfig;
  readonly shape: ModelShape;
  readonly samples: readonly SweepSample[];
  /** The model, or a student of it. The caller disposes it. */
  load(view?: KeptNeurons): Promise<CausalLM>;
}

/** A tiny Llama with biases, and three samples of ten tokens. */
export function tinyRun(): TinyRun {
  const tiny = tinyLlama({ seed: 1, biases: true });
  const config = llamaFamily.parseConfig(tiny.config);
  const shapes = new Map(llamaFamily.expectedTensors(config).map(({ name, shape }) => [name, shape]));
  const samples = [0, 1, 2].map((i) => {
    const rng = new Rng(i, "plugin-contract");
    const ids = Int32Array.from({ length: 10 }, () => rng.integer(BYTE_TOKENIZER.vocabSize));
    return { ids, document: `sample-${i}`, offset: 0 };
  });
  return {
    tiny,
    config,
    shape: modelShape(llamaFamily.prunableGroups(config), shapes, (name) => llamaFamily.isEmbedding(name)),
    samples,
    load: (view) => llamaFamily.load(tiny.source, config, view && { view }),
  };
}

/** The scores of one criterion, `company` being swept with it. */
export async function scoreTiny(
  student: CausalLM,
  criterion: ImportanceCriterion,
  more: Partial<SweepRequest> & { readonly company?: Readonly<Record<string, ImportanceCriterion>> } = {},
): Promise<readonly Float64Array[]> {
  const { company = {}, ...request } = more;
  const criteria = new Map(Object.entries({ ...company, "under test": criterion }));
  const { samples } = tinyRun();
  const scores = await calibrationSweep({ student, samples, criteria, progress: silentProgress, ...request });
  return scores.get("under test")!;
}

/** Runs a method's stages as a recipe does. */
export async function runMethod(
  method: PruningMethod,
  { tiny, config, shape, load, samples }: TinyRun,
  { registries, width, allocation }: { registries: Registries; width: number; allocation: string },
): Promise<{ kept: KeptNeurons; edits: TensorEdits[] }> {
  const allocator = await registries.allocations.create(allocation);
  let kept: KeptNeurons = shape.widths.map((size) => Int32Array.from({ length: size }, (_, n) => n));
  const edits: TensorEdits[] = [];
  const teacher = await load();
  try {
    for (const [i, stage] of method.stages({ shape, width }).entries()) {
      const current = kept;
      const score: StageContext["score"] = async (importance, options = {}, { propagateWidths } = {}) => {
        const criterion = await registries.importances.create(importance, { ...options });
        const student = await load(current);
        const common = { student, samples, progress: silentProgress };
        try {
          if (!propagateWidths) return await scoreTiny(student, criterion, { ...common, teacher });
          return await propagatingSweep({
            ...common,
            importance,
            criterion,
            cutLayer: (layer, scores) => {
              const best = selectNeurons(scores, propagateWidths[layer]!).map((n) => current[layer]![n]!);
              return load(current.map((indices, l) => (l === layer ? best : indices)));
            },
          });
        } finally {
          student.dispose();
        }
      };
      const allocate: StageContext["allocate"] = (scores, uniform) =>
        allocator.allocate({ scores, width: uniform, roundTo: 1 });
      const training: StageContext["training"] = () => ({
        samples,
        seed: 0,
        progress: silentProgress,
        signal: new AbortController().signal,
        source: tiny.source,
        groups: llamaFamily.prunableGroups(config),
        openStudent: async () => ({ model: await load(current), recompute: false }),
        record: (_importance, _options, scores) => {
          expect(scores.map(({ length }) => length)).toEqual(current.map(({ length }) => length));
          expect(scores.every((layer) => layer.every(Number.isFinite))).toBe(true);
        },
      });
      const result = await stage.run({ number: i + 1, kept: current, score, training, allocate });
      kept = result.kept;
      if (result.edits) edits.push(result.edits);
    }
  } finally {
    teacher.dispose();
  }
  return { kept, edits };
}
