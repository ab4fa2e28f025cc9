import type { AdapterValues, WeightEdit } from "@sdmprune/lora";
import type { PrunableGroup } from "@sdmprune/models";
import { keptMultiplier } from "./hard-concrete.js";

/**
 * The edits that make a stock model of what was trained: the soft masks in the rows of gate and up, `silu(z g) (z u)`, biases
 * too, and the adapters in their layers' weights.
 *
 * @param groups - Members with one slice per neuron along axis 0 are rows of gate and up; axis 1 is down's, which stays.
 * @param logAlpha - Per layer of the original checkpoint; shape `[F]`.
 */
export function foldMasks(
  groups: readonly PrunableGroup[],
  logAlpha: readonly Float64Array[],
  adapters: ReadonlyMap<string, AdapterValues>,
): Map<string, WeightEdit> {
  const edits = new Map<string, WeightEdit>();
  for (const { layer, members } of groups) {
    const rowFactors = logAlpha[layer]!.map(keptMultiplier);
    for (const { tensor, axis } of members) if (axis === 0) edits.set(tensor, { rowFactors });
  }
  for (const [module, adapter] of adapters) {
    const name = `${module}.weight`;
    edits.set(name, { ...edits.get(name), adapter });
  }
  return edits;
}
