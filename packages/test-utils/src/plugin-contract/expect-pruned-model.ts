import { openSafetensors, serializeSafetensors } from "@sdmprune/model-io";
import { forwardHidden, headLogits, llamaFamily, type CausalLM } from "@sdmprune/models";
import { applyPlan, createPlan, planWidths, type KeptNeurons, type TensorEdits } from "@sdmprune/pruning";
import { tf } from "@sdmprune/tensor";
import { expect } from "vitest";
import type { TinyRun } from "./tiny-run.js";

/**
 * Prunes the tiny Llama to the neurons kept, writes it as safetensors, reads it back and runs it: the tensors must come
 * back bit for bit, and the logits be finite and, without edits, those of the same neurons in the whole model.
 */
export async function expectPrunedModel(
  { tiny, config, shape, samples, load }: TinyRun,
  kept: KeptNeurons,
  edits: readonly TensorEdits[] = [],
): Promise<void> {
  const plan = createPlan(config.modelType, shape, kept);
  const pruned = applyPlan(tiny.source, plan, { groups: llamaFamily.prunableGroups(config), edits });
  const file = await openSafetensors(await serializeSafetensors(pruned));
  for (const { name, dtype, shape, data } of pruned) {
    expect(file.tensor(name)).toMatchObject({ dtype, shape });
    expect(await file.read(name)).toEqual(await data());
  }
  const raw = { ...tiny.config, ...llamaFamily.setWidth(tiny.config, planWidths(plan)) };
  const source = { tensorNames: () => file.names, info: file.tensor, read: file.read };
  const found = await logitsOf(await llamaFamily.load(source, llamaFamily.parseConfig(raw)), samples[0]!.ids);
  expect(found.every(Number.isFinite)).toBe(true);
  if (edits.length > 0) return;
  const expected = await logitsOf(await load(kept), samples[0]!.ids);
  expect(Math.max(...found.map((logit, i) => Math.abs(logit - expected[i]!)))).toBeLessThan(1e-4);
}

/** Logits at every position, flat. Disposes the model. */
async function logitsOf(model: CausalLM, ids: Int32Array): Promise<Float32Array> {
  const hidden = await forwardHidden(model, ids, 1);
  const logits = await headLogits(model.head, hidden);
  const values = (await logits.data()) as Float32Array;
  tf.dispose([hidden, logits]);
  model.dispose();
  return values;
}
