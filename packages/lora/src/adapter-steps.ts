import { NonFiniteError, Rng, ShapeError } from "@sdmprune/core";
import {
  adapterWeightName,
  forwardBackward,
  type Adapters,
  type BlockObserver,
  type CausalLM,
  type NeuronMasks,
} from "@sdmprune/models";
import { adamW, filledTensor, languageModelLoss, tf, type AdamWState } from "@sdmprune/tensor";

/** Values of an adapter outside the engine. */
export interface AdapterValues {
  /** Row-major `[r, I]`. */
  readonly a: Float32Array;
  /** Row-major `[O, r]`. */
  readonly b: Float32Array;
  readonly r: number;
  readonly scaling: number;
}

export interface AdapterStepsOptions {
  /** Names of the linear layers that get an adapter, such as `model.layers.0.self_attn.q_proj`. */
  readonly modules: readonly string[];
  readonly r: number;
  /** Changes are scaled by `loraAlpha / r`. */
  readonly loraAlpha: number;
  readonly learningRate: number;
  /** Gradients longer than this, all together, are scaled down to it. */
  readonly maxGradNorm: number;
  readonly seed: number;
  /** Run blocks a second time instead of keeping what their backward pass needs. Default false. */
  readonly recompute?: boolean;
  /** First values of `lora_A`, `[r, I]`. Default: uniform within `1 / sqrt(I)`, as PEFT draws them, from the seed. */
  readonly initialA?: (module: string) => Float32Array;
}

/** The gradients of a batch. Whoever has them disposes them, or gives them to {@link AdapterSteps.apply}. */
export interface AdapterGradients {
  /** Mean next-token cross-entropy of the windows, in nats. */
  readonly loss: number;
  /** By the matrices of each layer's adapter, mean over the windows. */
  readonly of: ReadonlyMap<string, { readonly a: tf.Tensor2D; readonly b: tf.Tensor2D }>;
}

/** What one window's pass is run with. */
export interface WindowPass {
  readonly ids: Int32Array;
  readonly neuronMasks?: NeuronMasks | undefined;
  /** Sees the gradient of this window's loss by every mask; `tf.clone` it to keep it. */
  readonly onNeuronMask?: (layer: number, gradient: tf.Tensor1D) => void;
}

/**
 * LoRA adapters of a model and single steps of AdamW on them, for methods that do something of their own between gradient and
 * update. All is in memory. The adapters are in effect until {@link AdapterSteps.dispose}.
 */
export class AdapterSteps {
  readonly scaling: number;
  readonly #states = new Map<string, { a: AdamWState; b: AdamWState }>();
  #step = 0;

  constructor(
    private readonly model: CausalLM,
    private readonly options: AdapterStepsOptions,
  ) {
    const { modules, r, loraAlpha } = options;
    this.scaling = loraAlpha / r;
    for (const module of modules) {
      const [outputs, inputs] = model.linearModules.get(module) ?? [0, 0]; // an unknown name: setAdapters says so
      this.#states.set(module, {
        a: firstState(this.#firstA(module, inputs), [r, inputs]),
        b: firstState(undefined, [outputs, r]),
      });
    }
    this.#setAdapters();
  }

  /** The adapter of a layer as it is now. It belongs to this object, until the next {@link AdapterSteps.apply}. */
  adapter(module: string): { readonly a: tf.Tensor2D; readonly b: tf.Tensor2D } {
    const { a, b } = this.#states.get(module)!;
    return { a: a.parameter as tf.Tensor2D, b: b.parameter as tf.Tensor2D };
  }

  /**
   * Gradients of the mean loss of some windows, one pass forward and backward for each.
   *
   * @throws {NonFiniteError} If the loss is NaN or infinite.
   * @throws {InterruptedError} If `signal` is aborted.
   */
  async gradients(windows: readonly WindowPass[], signal?: AbortSignal): Promise<AdapterGradients> {
    const sums = new Map<string, tf.Tensor>();
    try {
      let loss = 0;
      for (const window of windows) loss += (await this.#pass(window, sums, signal)) / windows.length;
      if (!Number.isFinite(loss)) {
        throw new NonFiniteError(
          `training: step ${this.#step + 1}: the loss is ${loss}. Use a lower learning rate.`,
        );
      }
      const mean = (name: string): tf.Tensor2D => tf.mul(sums.get(name)!, 1 / windows.length);
      const of = this.options.modules.map((module) => {
        const [a, b] = [adapterWeightName(module, "A"), adapterWeightName(module, "B")];
        return [module, { a: mean(a), b: mean(b) }] as const;
      });
      return { loss, of: new Map(of) };
    } finally {
      tf.dispose([...sums.values()]);
    }
  }

  /**
   * One step of AdamW along gradients, which are disposed.
   *
   * @returns Their global L2 norm before clipping.
   */
  async apply({ of }: AdapterGradients): Promise<number> {
    try {
      const gradNorm = await globalNorm([...of.values()].flatMap(({ a, b }) => [a, b]));
      const gradientScale = Math.min(1, this.options.maxGradNorm / (gradNorm + 1e-6));
      const options = { learningRate: this.options.learningRate, step: ++this.#step, gradientScale };
      for (const [module, gradient] of of) {
        const state = this.#states.get(module)!;
        const next = { a: adamW(state.a, gradient.a, options), b: adamW(state.b, gradient.b, options) };
        disposeState(state);
        this.#states.set(module, next);
      }
      this.#setAdapters();
      return gradNorm;
    } finally {
      disposeGradients({ of });
    }
  }

  /** The adapters as they are now, by layer. */
  async values(): Promise<Map<string, AdapterValues>> {
    const all = new Map<string, AdapterValues>();
    const { r } = this.options;
    for (const module of this.options.modules) {
      const { a, b } = this.adapter(module);
      const [aValues, bValues] = [await a.data(), await b.data()];
      all.set(module, {
        a: Float32Array.from(aValues),
        b: Float32Array.from(bValues),
        r,
        scaling: this.scaling,
      });
    }
    return all;
  }

  /** Takes the adapters off the model and frees them. */
  dispose(): void {
    this.model.setAdapters();
    for (const state of this.#states.values()) disposeState(state);
    this.#states.clear();
  }

  async #pass(
    { ids, neuronMasks, onNeuronMask }: WindowPass,
    sums: Map<string, tf.Tensor>,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const wanted = new Set(
      this.options.modules.flatMap((module) => [
        adapterWeightName(module, "A"),
        adapterWeightName(module, "B"),
      ]),
    );
    const observer: BlockObserver = {
      wantsWeight: (name) => wanted.has(name),
      weight(name, gradient) {
        const before = sums.get(name);
        sums.set(name, before ? tf.add(before, gradient) : tf.clone(gradient));
        before?.dispose();
      },
      ...(onNeuronMask && { neuronMask: onNeuronMask }),
    };
    const { loss } = await forwardBackward(this.model, {
      ids,
      batch: 1,
      observer,
      signal,
      recompute: this.options.recompute ?? false,
      ...(neuronMasks && { neuronMasks }),
      lossFn: (input) => languageModelLoss({ ...input, loss: { kind: "cross-entropy" } }),
    });
    return loss;
  }

  #firstA(module: string, inputs: number): Float32Array {
    const { r, seed, initialA } = this.options;
    const size = r * inputs;
    const given = initialA?.(module);
    if (given && given.length !== size) {
      throw new ShapeError(`initialA of "${module}": expected ${size} values, got ${given.length}.`);
    }
    if (given) return given;
    const rng = new Rng(seed, `lora/${module}`);
    const bound = 1 / Math.sqrt(inputs);
    return Float32Array.from({ length: size }, () => (2 * rng.uniform() - 1) * bound);
  }

  #setAdapters(): void {
    const adapters: Adapters = new Map(
      this.options.modules.map((module) => [module, { ...this.adapter(module), scaling: this.scaling }]),
    );
    this.model.setAdapters(adapters);
  }
}

/** Frees gradients that are not wanted any more. */
export function disposeGradients({ of }: Pick<AdapterGradients, "of">): void {
  for (const { a, b } of of.values()) tf.dispose([a, b]);
}

function firstState(values: Float32Array | undefined, shape: [number, number]): AdamWState {
  const parameter = filledTensor(shape, (out) => (values ? out.set(values) : void out.fill(0)));
  return { parameter, m: tf.zeros(shape), v: tf.zeros(shape) };
}

function disposeState({ a, b }: { a: AdamWState; b: AdamWState }): void {
  for (const { parameter, m, v } of [a, b]) tf.dispose([parameter, m, v]);
}

async function globalNorm(tensors: readonly tf.Tensor[]): Promise<number> {
  const norm = tf.tidy(() => tf.sqrt(tf.addN(tensors.map((tensor) => tf.sum(tf.square(tensor))))));
  const [value] = await norm.data();
  norm.dispose();
  return value!;
}
