/**
 * Sparsity after a step: 0 for the first tenth, then along a cubic to the target, which holds for the last tenth (Zhu & Gupta
 * 2017, https://arxiv.org/abs/1710.01878).
 *
 * @param step - Steps done, from 1 to `totalSteps`.
 * @param target - Part of the neurons that is masked in the end, in [0, 1).
 */
export function cubicSparsity(step: number, totalSteps: number, target: number): number {
  const [start, end] = [Math.floor(totalSteps / 10), Math.floor((9 * totalSteps) / 10)];
  if (step >= end) return target;
  if (step <= start) return 0;
  return target * (1 - (1 - (step - start) / (end - start)) ** 3);
}

/** Neurons that a layer keeps at a sparsity, never fewer than `width`. */
export function widthAt(sparsity: number, intermediateSize: number, width: number): number {
  return Math.max(width, intermediateSize - Math.floor(sparsity * intermediateSize + 1e-9)); // 1e-9: a target that is a whole number of neurons
}
