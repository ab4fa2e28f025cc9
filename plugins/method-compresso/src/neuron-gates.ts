import { Adam } from "./adam.js";
import { clampLogAlpha, sampleHardConcrete, type SampledMask } from "./hard-concrete.js";

/** log_alpha of an open mask: odds of 99 to 1. */
const OPEN = Math.log(99);

/** The masks of all neurons as distributions: log_alpha per neuron, which gradients move. */
export class NeuronGates {
  /** Per layer; shape `[F]`; within +-log 100. */
  readonly logAlpha: readonly Float64Array[];
  readonly #adam: readonly Adam[];

  /** @param normal - Standard normal noise of neuron `n` of a layer, of which a hundredth is added at the start. */
  constructor(widths: readonly number[], learningRate: number, normal: (layer: number, n: number) => number) {
    this.logAlpha = widths.map((width, layer) =>
      Float64Array.from({ length: width }, (_, n) => clampLogAlpha(OPEN + 0.01 * normal(layer, n))),
    );
    this.#adam = widths.map((width) => new Adam(width, learningRate));
  }

  /** One mask per neuron, from uniforms of `[0, 1)`. */
  sample(uniforms: readonly Float64Array[]): SampledMask[][] {
    return this.logAlpha.map((layer, l) =>
      Array.from(layer, (logAlpha, n) => sampleHardConcrete(logAlpha, uniforms[l]![n]!)),
    );
  }

  /** Moves log_alpha by one step of Adam, within its bounds. */
  update(gradient: readonly Float64Array[]): void {
    for (const [layer, logAlpha] of this.logAlpha.entries()) {
      this.#adam[layer]!.update(logAlpha, gradient[layer]!);
      logAlpha.forEach((value, n) => (logAlpha[n] = clampLogAlpha(value)));
    }
  }
}
