import { readFile } from "node:fs/promises";
import { UsageError, type Run } from "@sdmprune/core";
import { openTokenizer } from "@sdmprune/model-io/node";
import { forwardHidden, type BlockObserver } from "@sdmprune/models";
import { gatedMlp, tf, type GatedMlpWeights } from "@sdmprune/tensor";
import { openModel } from "../open-model.js";
import { startEngine, type EngineRequest } from "../start-engine.js";

export interface LayerErrorRequest extends EngineRequest {
  /** The original model, a folder or a hub id. */
  readonly model: string;
  /** The pruned one, with as many layers. */
  readonly pruned: string;
  /** Held-out text. */
  readonly text: string;
  /** Tokens per window. Default 1024, or the model's longest sequence if that is less. */
  readonly window?: number;
  /** Default 4. */
  readonly maxWindows?: number;
}

/**
 * How far each pruned MLP is from the original on the original's own inputs: the root mean square of the difference of
 * their outputs over that of the original's output. 0: the same; 1: as far off as no MLP at all. Errors do not add up
 * from layer to layer, so that each layer is judged by itself.
 *
 * @returns One number per layer.
 * @throws {UsageError} If the models have different numbers of layers, or the text is too short for a window.
 */
export async function measureLayerError(run: Run, request: LayerErrorRequest): Promise<number[]> {
  const [model, pruned] = [await openModel(run, request.model), await openModel(run, request.pruned)];
  const { numLayers, hiddenAct } = model.config;
  if (pruned.config.numLayers !== numLayers) {
    throw new UsageError(
      `layer error: expected a pruned model of ${numLayers} layers, got ${pruned.config.numLayers}.`,
    );
  }
  const { window = Math.min(1024, model.config.maxPositionEmbeddings), maxWindows = 4 } = request;
  const tokenizer = await openTokenizer(model.checkpoint.dir);
  const ids = tokenizer.encode(await readFile(request.text, "utf8"), { addSpecialTokens: false });
  const windows = Array.from({ length: Math.min(maxWindows, Math.floor(ids.length / window)) }, (_, i) =>
    Int32Array.from(ids.slice(i * window, (i + 1) * window)),
  );
  if (windows.length === 0) {
    throw new UsageError(`layer error: expected a text of at least ${window} tokens, got ${ids.length}.`);
  }
  await startEngine(run, request);
  const whole = await model.family.load(model.checkpoint, model.config);
  const part = await pruned.family.load(pruned.checkpoint, pruned.config);
  const weights: GatedMlpWeights[] = [];
  const [error, size] = [new Float64Array(numLayers), new Float64Array(numLayers)];
  const observer: BlockObserver = {
    mlp({ layer, input, weights: original }) {
      const options = { activation: hiddenAct };
      tf.tidy(() => {
        const output = gatedMlp(input, original, options);
        const difference = tf.sub(gatedMlp(input, weights[layer]!, options), output);
        error[layer]! += tf.sum(tf.square(difference)).dataSync()[0]!;
        size[layer]! += tf.sum(tf.square(output)).dataSync()[0]!;
      });
    },
  };
  try {
    for (let layer = 0; layer < numLayers; layer++) weights.push(await part.mlpWeights(layer));
    for (const [i, each] of windows.entries()) {
      (await forwardHidden(whole, each, 1, { observer, signal: run.signal })).dispose();
      run.progress({
        type: "advance",
        task: "layer error",
        done: i + 1,
        total: windows.length,
        unit: "windows",
      });
    }
    return Array.from(error, (sum, layer) => Math.sqrt(sum / size[layer]!));
  } finally {
    for (const each of weights) tf.dispose(Object.values(each) as tf.Tensor[]);
    whole.dispose();
    part.dispose();
  }
}
