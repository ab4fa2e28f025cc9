import { selectNeurons } from "@sdmprune/pruning";

/**
 * Running mean of the salience of every neuron, and the masks that it grows: what is masked once stays masked and counts
 * for nothing.
 */
export class GrowingMasks {
  /** Running mean, per layer; shape `[F]`; 0 where masked. */
  readonly scores: readonly Float64Array[];
  /** 1 for neurons that are left, 0 for masked ones; shape `[F]`. */
  readonly masks: readonly Float32Array[];

  /** @param ema - Share of the past in the running mean. */
  constructor(
    widths: readonly number[],
    private readonly ema: number,
  ) {
    this.scores = widths.map((width) => new Float64Array(width));
    this.masks = widths.map((width) => new Float32Array(width).fill(1));
  }

  /** Whether all neurons are left. */
  areOpen(): boolean {
    return this.masks.every((mask) => mask.every((value) => value === 1));
  }

  /** Takes in the salience of one step, one vector per layer. One that is not finite is passed over, as a whole. */
  observe(salience: readonly Float64Array[]): void {
    if (!salience.every((layer) => layer.every(Number.isFinite))) return;
    for (const [layer, scores] of this.scores.entries()) {
      const mask = this.masks[layer]!;
      for (let n = 0; n < scores.length; n++) {
        scores[n] = (this.ema * scores[n]! + (1 - this.ema) * salience[layer]![n]!) * mask[n]!;
      }
    }
  }

  /** Masks all but the best `widths[l]` neurons of each layer that are left. */
  grow(widths: readonly number[]): void {
    for (const [layer, scores] of this.scores.entries()) {
      const before = this.masks[layer]!;
      const numLeft = before.reduce((sum, value) => sum + value, 0);
      if (widths[layer]! >= numLeft) continue;
      const left = Float64Array.from(scores, (score, n) => (before[n] === 1 ? score : -1));
      const mask = new Float32Array(before.length);
      for (const n of selectNeurons(left, widths[layer]!)) mask[n] = 1;
      before.set(mask);
      scores.forEach((score, n) => (scores[n] = score * mask[n]!));
    }
  }

  /** The best `widths[l]` neurons of each layer, ascending. Masked ones come last. */
  select(widths: readonly number[]): Int32Array[] {
    return this.scores.map((scores, layer) => {
      const mask = this.masks[layer]!;
      return selectNeurons(
        Float64Array.from(scores, (score, n) => (mask[n] === 1 ? score : -1)),
        widths[layer]!,
      );
    });
  }
}
