/**
 * Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980) on a float64 vector, without weight decay: for parameters outside
 * the model, a few per neuron or layer.
 */
export class Adam {
  readonly #m: Float64Array;
  readonly #v: Float64Array;
  #step = 0;

  /** @param learningRate - Negative to climb instead. */
  constructor(
    size: number,
    private readonly learningRate: number,
  ) {
    this.#m = new Float64Array(size);
    this.#v = new Float64Array(size);
  }

  /** Moves `values` by one step. */
  update(values: Float64Array, gradient: Float64Array): void {
    const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];
    this.#step++;
    const stepSize = this.learningRate / (1 - beta1 ** this.#step);
    const correction = Math.sqrt(1 - beta2 ** this.#step);
    for (let i = 0; i < values.length; i++) {
      const g = gradient[i]!;
      const m = (this.#m[i] = beta1 * this.#m[i]! + (1 - beta1) * g);
      const v = (this.#v[i] = beta2 * this.#v[i]! + (1 - beta2) * g * g);
      values[i]! -= (stepSize * m) / (Math.sqrt(v) / correction + epsilon);
    }
  }
}
