import { dirname, resolve } from "node:path";
import { ConfigError, UsageError, type Run } from "@sdmprune/core";
import { activationGrams, type LayerStatistics } from "@sdmprune/importance";
import { fromFloat32, type FloatDType, type JsonValue } from "@sdmprune/model-io";
import {
  meanBias,
  meanBiasErrors,
  planKept,
  ridgeDownProjection,
  type PrunedTensor,
  type TensorEdits,
} from "@sdmprune/pruning";
import { readFloat64 } from "@sdmprune/tensor";
import { drawCalibration } from "./calibration.js";
import type { MadePlan } from "./make-plan.js";
import { memoryBudget, planSweepMemory } from "./memory-budget.js";
import type { OpenedModel } from "./open-model.js";
import type { SweepSize } from "./plan-memory.js";
import type { Compensation, PruneRequest } from "./prune-request.js";
import { ScratchFile } from "./scratch-file.js";
import { snakeKeys } from "./snake-keys.js";
import { startEngine } from "./start-engine.js";
import { poolBytesOfSamples } from "./sweep-size.js";

const DEFAULT_LAMBDA = 0.01;

/** What compensation changes in a checkpoint. */
export interface Compensated {
  readonly edits: readonly TensorEdits[];
  /** Tensors the checkpoint does not have, for the widths that are written. */
  added(writtenWidths: readonly number[]): readonly PrunedTensor[];
  /** Keys of config.json that change. */
  readonly config: Readonly<Record<string, JsonValue>>;
  /** For the manifest. */
  readonly record: JsonValue;
  /** Lets go of the file that the edits are read from. */
  close(): Promise<void>;
}

/** @throws {UsageError} If the options contradict each other. */
export function checkCompensation(request: PruneRequest): void {
  const { compensate: kind = "none", compensateLambda: lambda, planOnly } = request;
  if (lambda !== undefined && kind !== "ridge") {
    throw new UsageError(`compensate-lambda: is for --compensate ridge, got --compensate ${kind}.`);
  }
  if (lambda !== undefined && !(lambda > 0 && lambda < Infinity)) {
    throw new UsageError(`compensate-lambda: expected a number above 0, got ${lambda}.`);
  }
  if (kind !== "none" && planOnly) {
    throw new UsageError("compensate: changes weights, and a plan has none; leave out --plan-only.");
  }
}

/**
 * Makes up for the neurons of a plan that go, by what the original model puts out for the calibration samples.
 *
 * @returns Undefined if none was asked for.
 * @throws {UsageError} If there is no calibration text, or the method has replaced weights itself.
 */
export async function compensate(
  run: Run,
  model: OpenedModel,
  request: PruneRequest,
  made: MadePlan,
): Promise<Compensated | undefined> {
  const { compensate: kind = "none", compensateLambda: lambda = DEFAULT_LAMBDA, output } = request;
  if (kind === "none") return undefined;
  if (made.edits.length > 0) {
    throw new UsageError(
      `compensate: method "${made.method}" replaces weights itself; expected none with it, got ${kind}.`,
    );
  }
  if (kind === "bias") assertMayHaveBiases(model);
  const { samples, provenance } =
    made.samples ?? (await drawCalibration(run, model, request.calibration, `compensation "${kind}"`));
  const budget = await memoryBudget(request.memory);
  const poolBytes = poolBytesOfSamples(budget, model, samples);
  await startEngine(run, { ...request, poolBytes });
  const { residency } = planSweepMemory(run, sizeOf(model, made, samples), budget);
  const file = new ScratchFile(dirname(resolve(output ?? ".")));
  const kept = planKept(made.plan);
  const writer = new EditWriter(model, file);
  const errors: { before: number; after: number }[] = [];
  try {
    const original = await model.family.load(model.checkpoint, model.config, { residency });
    try {
      await activationGrams({
        model: original,
        samples,
        progress: run.progress,
        signal: run.signal,
        task: `compensate: ${kind}`,
        onLayer: async (statistics) => {
          const { layer, outputEnergy } = statistics;
          const squared = await compensateLayer(statistics, kept[layer]!, { kind, lambda }, writer);
          const relative = (error: number): number =>
            outputEnergy > 0 ? Math.sqrt(error / outputEnergy) : 0;
          errors.push({ before: relative(squared.errorBefore), after: relative(squared.errorAfter) });
        },
      });
    } finally {
      original.dispose();
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  const mean = (key: "before" | "after"): string =>
    (errors.reduce((sum, error) => sum + error[key], 0) / errors.length).toFixed(4);
  run.progress({
    type: "info",
    message: `compensate: relative error of the MLPs' outputs ${mean("before")} before, ${mean("after")} after ${kind} (root mean square on the calibration text, mean over the layers)`,
  });
  return {
    edits: [writer],
    added: (widths) => writer.added(widths),
    config: writer.config,
    record: {
      kind,
      ...(kind === "ridge" && { lambda }),
      relative_rmse: errors.map(({ before, after }) => ({ before, after })),
      calibration: snakeKeys(provenance),
    },
    close: () => file.close(),
  };
}

/** @throws {UsageError} If the model's format has no place for the biases. */
function assertMayHaveBiases({ name, family, checkpoint, config }: OpenedModel): void {
  const names = new Set(
    family
      .expectedTensors(family.parseConfig({ ...checkpoint.config, mlp_bias: true }))
      .map((tensor) => tensor.name),
  );
  const isPossible = family
    .prunableGroups(config)
    .every(({ members }) => members.some(({ tensor }) => names.has(biasName(tensor, "down"))));
  if (isPossible) return;
  throw new UsageError(
    `compensate: expected a model whose format has biases in its MLPs for "bias", got ${name} (${family.modelType}). Use ridge.`,
  );
}

/** Name of the bias of a projection, given its down projection's weight. */
function biasName(down: string, part: "gate" | "up" | "down"): string {
  return down.replace(/down_proj\.weight$/, `${part}_proj.bias`);
}

/** Writes the new weights of one layer. */
async function compensateLayer(
  { layer, weights, gram, sum, numTokens }: LayerStatistics,
  kept: Int32Array,
  { kind, lambda }: { kind: Exclude<Compensation, "none">; lambda: number },
  writer: EditWriter,
): Promise<{ errorBefore: number; errorAfter: number }> {
  const down = await readFloat64(weights.down);
  if (kind === "ridge") {
    const { down: columns, ...errors } = ridgeDownProjection({ gram, down, kept, lambda });
    await writer.replaceColumns(layer, down, columns, kept);
    return errors;
  }
  const mean = sum.map((value) => value / numTokens);
  const bias = meanBias(down, mean, kept);
  const before = weights.downBias && (await readFloat64(weights.downBias));
  await writer.setBias(layer, before ? bias.map((value, h) => value + before[h]!) : bias);
  return meanBiasErrors({ gram, down }, bias, { kept, numTokens });
}

function sizeOf(
  { config, shape }: OpenedModel,
  { plan }: MadePlan,
  samples: readonly { readonly ids: Int32Array }[],
): SweepSize {
  const width = Math.max(...shape.widths);
  const kept = Math.max(...plan.layers.map((layer) => layer.width));
  const { hiddenSize: H } = config;
  const seqlen = Math.max(...samples.map(({ ids }) => ids.length));
  // Gram matrix, its parts, the factor, and the weights before and after, in float64; activations of a sample.
  const matrices = width ** 2 + kept ** 2 + kept * (width - kept) + (width - kept) ** 2 + 6 * H * width;
  const extraBytes = 8 * matrices + 4 * seqlen * width;
  return { config, shape, seqlen, nsamples: samples.length, backward: false, holdsHidden: true, extraBytes };
}

/** The new tensors of a checkpoint, in a file, layer by layer. */
class EditWriter implements TensorEdits {
  readonly #places = new Map<string, { readonly place: number; readonly size: number }>();
  readonly #added: { readonly layer: number; readonly bias: Float64Array }[] = [];

  constructor(
    private readonly model: OpenedModel,
    private readonly file: ScratchFile,
  ) {}

  get names(): readonly string[] {
    return [...this.#places.keys()];
  }

  /** Biases make a config say that there are some. */
  get config(): Readonly<Record<string, JsonValue>> {
    return this.#added.length > 0 ? { mlp_bias: true } : {};
  }

  async read(name: string): Promise<Uint8Array> {
    const { place, size } = this.#places.get(name)!;
    const bytes = new Uint8Array(size);
    await this.file.readBytes(place, bytes);
    return bytes;
  }

  /** @param columns - Those of the kept neurons, `[H, k]`. */
  async replaceColumns(
    layer: number,
    down: Float64Array,
    columns: Float64Array,
    kept: Int32Array,
  ): Promise<void> {
    const { name, width } = this.#down(layer);
    const values = Float32Array.from(down);
    const rows = down.length / width;
    for (let row = 0, i = 0; row < rows; row++) for (const n of kept) values[row * width + n] = columns[i++]!;
    await this.#replace(name, values);
  }

  async setBias(layer: number, bias: Float64Array): Promise<void> {
    const name = biasName(this.#down(layer).name, "down");
    if (this.#has(name)) await this.#replace(name, Float32Array.from(bias));
    else this.#added.push({ layer, bias });
  }

  /** The biases that a checkpoint without any gets: of the down projections, and zero ones beside them. */
  added(writtenWidths: readonly number[]): PrunedTensor[] {
    return this.#added.flatMap(({ layer, bias }) => {
      const down = this.#down(layer).name;
      const dtype = this.#dtype(down);
      const zeros = new Float64Array(writtenWidths[layer]!);
      const tensor = (part: "gate" | "up" | "down", values: Float64Array): PrunedTensor => ({
        name: biasName(down, part),
        dtype,
        shape: [values.length],
        data: () => Promise.resolve(fromFloat32(Float32Array.from(values), dtype)),
      });
      return [tensor("gate", zeros), tensor("up", zeros), tensor("down", bias)];
    });
  }

  async #replace(name: string, values: Float32Array): Promise<void> {
    const bytes = fromFloat32(values, this.#dtype(name));
    this.#places.set(name, { place: await this.file.writeBytes(bytes), size: bytes.byteLength });
  }

  #has(name: string): boolean {
    return Array.from(this.model.checkpoint.tensorNames()).includes(name);
  }

  /** The down projection of a layer: the member whose columns are neurons. */
  #down(layer: number): { readonly name: string; readonly width: number } {
    const { family, config } = this.model;
    const { members, intermediateSize } = family.prunableGroups(config)[layer]!;
    return { name: members.find(({ axis }) => axis === 1)!.tensor, width: intermediateSize };
  }

  #dtype(name: string): FloatDType {
    const { dtype } = this.model.checkpoint.info(name);
    if (dtype === "F64" || dtype === "F32" || dtype === "F16" || dtype === "BF16") return dtype;
    throw new ConfigError(`compensate: expected "${name}" in a floating-point type, got ${dtype}.`);
  }
}
