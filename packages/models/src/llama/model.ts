import { UsageError } from "@sdmprune/core";
import {
  embeddingBackward,
  rmsNorm,
  rmsNormBackward,
  rmsNormBackwardWeight,
  tf,
  type GatedMlpWeights,
} from "@sdmprune/tensor";
import { AdapterSlots } from "../adapters.js";
import type { BlockObserver } from "../block.js";
import type { CausalLM } from "../causal-lm.js";
import { checkTensors } from "../check-tensors.js";
import { checkTokenIds, embedTokens } from "../embed-tokens.js";
import { createHead } from "../language-model-head.js";
import { keptSlices, viewedWidths } from "../kept-slices.js";
import type { LoadOptions } from "../model-family.js";
import { reportWeight } from "../report-weight.js";
import type { WeightSource } from "../weight-source.js";
import { registerStore, storeOf, WeightStore } from "../weight-store.js";
import { createLlamaBlock } from "./block.js";
import { llamaMlpWeights } from "./block-weights.js";
import type { LlamaConfig } from "./config.js";
import { llamaPrunableGroups } from "./prunable-groups.js";
import { llamaSequence } from "./sequence.js";
import {
  EMBEDDING,
  FINAL_NORM,
  layerTensors,
  llamaExpectedTensors,
  llamaLinearModules,
  llamaTensorName,
  LM_HEAD,
} from "./weights.js";

/**
 * Opens a Llama on the active tensor backend. Names and shapes are checked now; a block's weights are read
 * when it is first acquired.
 *
 * @returns The caller disposes it.
 * @throws {FormatError} If a tensor is missing or has another shape than the config says.
 * @throws {UsageError} If the view does not fit the config, or `shareWith` the source.
 */
export async function loadLlama(
  source: WeightSource,
  checkpointConfig: LlamaConfig,
  { view, shareWith, residency = shareWith ? storeOf(shareWith).residency : "resident" }: LoadOptions = {},
): Promise<CausalLM> {
  checkTensors(source, llamaExpectedTensors(checkpointConfig));
  const groups = llamaPrunableGroups(checkpointConfig);
  const config: LlamaConfig = { ...checkpointConfig, intermediateSizes: viewedWidths(groups, view) };
  const store = new WeightStore(source, {
    residency,
    view: keptSlices(groups, view),
    shareWith: shareWith && storeOf(shareWith),
  });
  try {
    await store.acquire([FINAL_NORM]); // for as long as the model lives
  } catch (error) {
    store.dispose();
    throw error;
  }

  const { hiddenSize, vocabSize, numLayers, rmsNormEps: eps } = config;
  const headName = config.tieWordEmbeddings ? EMBEDDING : LM_HEAD;
  const shapes = new Map(llamaExpectedTensors(config).map(({ name, shape }) => [name, shape]));
  const linearModules = new Map(
    Array.from({ length: numLayers }, (_, layer) => llamaLinearModules(config, layer)).flat(),
  );
  const adapters = new AdapterSlots(linearModules);
  const blocks = Array.from({ length: numLayers }, (_, layer) => ({
    block: createLlamaBlock(config, store, adapters, layer),
    weights: layerTensors(config, layer).map(([part]) => llamaTensorName({ layer, part })),
  }));
  const blockAt = (index: number): (typeof blocks)[number] => {
    const found = blocks[index];
    if (!found) throw new UsageError(`block: expected an index from 0 to ${numLayers - 1}, got ${index}.`);
    return found;
  };
  const shapeOf = (name: string): readonly number[] => {
    const shape = shapes.get(name);
    if (!shape)
      throw new UsageError(
        `Unknown parameter "${name}". The model has ${shapes.size}, such as "${EMBEDDING}".`,
      );
    return shape;
  };

  const model: CausalLM = {
    config,
    parameterNames: [...shapes.keys()],
    linearModules,
    setAdapters: (given) => adapters.set(given),
    head: createHead(store, headName, vocabSize, hiddenSize),
    headName,
    sequence: (batch, length, options = {}) => llamaSequence(config, batch, length, options),

    async embed(ids, { batch, length }) {
      checkTokenIds(ids, batch * length, vocabSize);
      return embedTokens(store, EMBEDDING, ids);
    },

    embedBackward(ids, dx, observer, headGradient) {
      reportWeight(observer, EMBEDDING, () =>
        tf.tidy(() => {
          const gradient = embeddingBackward(tf.tensor1d(ids, "int32"), dx, vocabSize);
          return headGradient ? tf.add(gradient, headGradient) : gradient;
        }),
      );
    },

    async block(index) {
      const { block, weights } = blockAt(index);
      await store.acquire(weights);
      return block;
    },
    releaseBlock: (index) => store.release(blockAt(index).weights),

    async mlpWeights(index) {
      const names = blockAt(index).weights.filter((name) => name.includes(".mlp."));
      await store.acquire(names);
      try {
        const weights = Object.entries(llamaMlpWeights(store, config, index)) as [string, tf.Tensor][];
        return Object.fromEntries(
          weights.map(([part, tensor]) => [part, tf.clone(tensor)]),
        ) as unknown as GatedMlpWeights;
      } finally {
        store.release(names);
      }
    },

    finalNorm: (x) => rmsNorm(x, store.get(FINAL_NORM), eps),
    finalNormBackward(x, dy, observer?: BlockObserver) {
      reportWeight(observer, FINAL_NORM, () => rmsNormBackwardWeight(x, eps, dy));
      return rmsNormBackward(x, store.get(FINAL_NORM), eps, dy);
    },

    async parameter(name) {
      shapeOf(name);
      await store.acquire([name]);
      try {
        return tf.clone(store.get(name));
      } finally {
        store.release([name]);
      }
    },
    setParameter: (name, tensor) => store.set(name, tensor, shapeOf(name)),
    dispose: () => store.dispose(),
  };
  registerStore(model, store);
  return model;
}
