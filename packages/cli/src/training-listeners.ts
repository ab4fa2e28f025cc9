import type { TrainingListener } from "@sdmprune/lora";
import { tensorBoardListener } from "@sdmprune/lora/node";

/** What a training is written down for besides its metrics: TensorBoard. */
export function trainingListeners(): TrainingListener[] {
  return [tensorBoardListener()];
}
