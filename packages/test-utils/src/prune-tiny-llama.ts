import { silentProgress, type Registries } from "@sdmprune/core";
import { calibrationSweep, type ImportanceCriterion } from "@sdmprune/importance";
import { openSafetensors, serializeSafetensors } from "@sdmprune/model-io";
import { forwardHidden, llamaFamily, type CausalLM, type WeightSource } from "@sdmprune/models";
import {
  applyPlan,
  createPlan,
  modelShape,
  type KeptNeurons,
  type ModelShape,
  type PruningMethod,
  type StageContext,
  type TensorEdits,
} from "@sdmprune/pruning";
import { tinyLlama } from "./tiny-llama.js";

const model = tinyLlama({ seed: 1 });
const config = llamaFamily.parseConfig(model.config);
const groups = llamaFamily.prunableGroups(config);

/** Two short samples of token ids. */
const samples = [1, 2].map((factor) => ({
  ids: Int32Array.from({ length: 12 }, (_, t) => (factor * (7 * t + 3)) % config.vocabSize),
  document: `sample ${factor}`,
  offset: 0,
}));

/** Sizes of the tiny model: what a method or an allocation plans with. */
export function tinyShape(): ModelShape {
  const tensors = new Map(llamaFamily.expectedTensors(config).map(({ name, shape }) => [name, shape]));
  return modelShape(groups, tensors, (name) => llamaFamily.isEmbedding(name));
}

/** All neurons of the tiny model. */
export function allNeurons(): KeptNeurons {
  return groups.map(({ intermediateSize }) => Int32Array.from({ length: intermediateSize }, (_, n) => n));
}

/** Scores of a criterion for the tiny model, seen through the neurons kept; the teacher is the whole model. */
export async function scoreTinyLlama(
  criterion: ImportanceCriterion,
  kept: KeptNeurons = allNeurons(),
): Promise<readonly Float64Array[]> {
  const student = await llamaFamily.load(model.source, config, { view: kept });
  const teacher = await llamaFamily.load(model.source, config);
  try {
    const criteria = new Map([["criterion", criterion]]);
    const scores = await calibrationSweep({ student, teacher, samples, criteria, progress: silentProgress });
    return scores.get("criterion")!;
  } finally {
    student.dispose();
    teacher.dispose();
  }
}

/** Runs the stages of a method on the tiny model, with the same width for every layer. */
export async function runMethodOnTinyLlama(
  method: PruningMethod,
  registries: Registries,
  width: number,
): Promise<{ kept: KeptNeurons; edits: readonly TensorEdits[] }> {
  let kept = allNeurons();
  const edits: TensorEdits[] = [];
  for (const [i, stage] of method.stages({ shape: tinyShape(), width }).entries()) {
    const context: StageContext = {
      number: i + 1,
      kept,
      score: async (name, options) =>
        scoreTinyLlama(await registries.importances.create(name, options), kept),
      allocate: (scores, uniform) => scores.map((score) => Math.min(uniform, score.length)),
    };
    const result = await stage.run(context);
    kept = result.kept;
    if (result.edits) edits.push(result.edits);
  }
  return { kept, edits };
}

/**
 * Cuts the tiny model to the neurons kept, writes it as safetensors, reads it back and runs it.
 *
 * @returns The written widths and the hidden states of the last norm for a sample.
 */
export async function runPrunedTinyLlama(
  kept: KeptNeurons,
  edits: readonly TensorEdits[] = [],
): Promise<{ widths: readonly number[]; hidden: Float32Array }> {
  const plan = createPlan(config.modelType, tinyShape(), kept);
  const file = await serializeSafetensors(applyPlan(model.source, plan, { groups, edits }));
  const pruned = await loadFile(file, kept.map(({ length }) => length)); // prettier-ignore
  try {
    const output = await forwardHidden(pruned, samples[0]!.ids, 1);
    const hidden = (await output.data()) as Float32Array;
    output.dispose();
    return { widths: pruned.config.intermediateSizes, hidden };
  } finally {
    pruned.dispose();
  }
}

async function loadFile(file: Uint8Array, widths: readonly number[]): Promise<CausalLM> {
  const { names, tensor, read } = await openSafetensors(file);
  const source: WeightSource = { tensorNames: () => names, info: tensor, read };
  const isUniform = widths.every((width) => width === widths[0]);
  const changed = llamaFamily.setWidth(model.config, isUniform ? widths[0]! : widths);
  return llamaFamily.load(source, llamaFamily.parseConfig({ ...model.config, ...changed }));
}
