import { ShapeError, suggestNames, UsageError } from "@sdmprune/core";
import type { LinearAdapter, tf } from "@sdmprune/tensor";
import type { SequenceContext } from "./sequence-context.js";

/** A low-rank change of one linear layer of a model: LoRA, see `LinearAdapter` of @sdmprune/tensor. */
export interface ModuleAdapter {
  /** Shape `[r, I]`, float32. A `tf.Variable` may be assigned to while the model has it. */
  readonly a: tf.Tensor2D;
  /** Shape `[O, r]`, float32. */
  readonly b: tf.Tensor2D;
  readonly scaling: number;
  /** Part of the adapter's input that is dropped in passes with a `dropoutSeed`. Default 0. */
  readonly dropout?: number;
}

/** Adapters by the name of their layer, such as `model.layers.0.self_attn.q_proj`. */
export type Adapters = ReadonlyMap<string, ModuleAdapter>;

/** Output and input size of a linear layer, by its name. */
export type LinearModules = ReadonlyMap<string, readonly [outputs: number, inputs: number]>;

/** What an adapter's matrix is called towards a `BlockObserver`. */
export function adapterWeightName(module: string, matrix: "A" | "B"): string {
  return `${module}.lora_${matrix}.weight`;
}

/** The adapters that a model of any family has at the moment. They belong to whoever set them. */
export class AdapterSlots {
  #adapters: Adapters = new Map();

  constructor(private readonly modules: LinearModules) {}

  /**
   * Puts others in place of all adapters.
   *
   * @throws {UsageError} If the model has no such layer.
   * @throws {ShapeError} If a matrix does not fit its layer.
   */
  set(adapters: Adapters = new Map()): void {
    for (const [module, { a, b }] of adapters) {
      const sizes = this.modules.get(module);
      if (!sizes) {
        const near = suggestNames(module, [...this.modules.keys()]);
        throw new UsageError(
          `Adapter of "${module}": the model has no linear layer of that name.${near.length > 0 ? ` Did you mean "${near[0]}"?` : ""}`,
        );
      }
      const [outputs, inputs] = sizes;
      const rank = a.shape[0];
      if (a.shape.join() !== `${rank},${inputs}` || b.shape.join() !== `${outputs},${rank}`) {
        throw new ShapeError(
          `Adapter of "${module}": lora_A must have shape [r, ${inputs}] and lora_B [${outputs}, r], got [${a.shape.join(", ")}] and [${b.shape.join(", ")}].`,
        );
      }
    }
    this.#adapters = adapters;
  }

  /** The adapter of a layer in a pass; dropout has a stream of random numbers per pass and layer. */
  get(module: string, { dropoutSeed }: Pick<SequenceContext, "dropoutSeed">): LinearAdapter | undefined {
    const adapter = this.#adapters.get(module);
    if (!adapter) return undefined;
    const { a, b, scaling, dropout: rate = 0 } = adapter;
    const drops = rate > 0 && dropoutSeed !== undefined;
    return { a, b, scaling, ...(drops && { dropout: { rate, seed: dropoutSeed, label: module } }) };
  }
}
