import { definePlugin } from "@sdmprune/core";
import { createGlobalAllocation, createUniformAllocation } from "./allocation.js";
import {
  createSdmPrune,
  createSingleStageMethod,
  magnitudeMethodOptions,
  sdmPruneOptions,
  taylorMethodOptions,
  wandaMethodOptions,
  createWandaMethod,
} from "./methods.js";

/** Registers the built-in allocations and methods. */
export const pruningPlugin = definePlugin({
  name: "@sdmprune/pruning",
  register({ allocations, methods }) {
    allocations.register("uniform", createUniformAllocation, {
      description: "The same width for every layer; loads everywhere.",
    });
    allocations.register("global", createGlobalAllocation, {
      description: "Ranks the neurons of all layers together; layers end up with different widths.",
    });
    methods.register("sdmprune", createSdmPrune, {
      description:
        "One-hot Taylor to 97.5 % of the neurons, then self-distillation to the target (Zhu & Shen 2025).",
      options: sdmPruneOptions,
    });
    methods.register(
      "taylor",
      (options: object) =>
        createSingleStageMethod("taylor", { needsCalibration: true, options: { ...options } }),
      {
        description: "One-hot Taylor: the gradient of next-token cross-entropy, in one stage.",
        options: taylorMethodOptions,
      },
    );
    methods.register(
      "magnitude",
      (options: object) =>
        createSingleStageMethod("magnitude", { needsCalibration: false, options: { ...options } }),
      { description: "Norm of each neuron's weights; needs no data.", options: magnitudeMethodOptions },
    );
    methods.register("wanda", createWandaMethod, {
      description: "Weight times activation norm (Sun et al. 2023), for whole neurons; forward passes only.",
      options: wandaMethodOptions,
    });
    methods.register("random", () => createSingleStageMethod("random", { needsCalibration: false }), {
      description: "Seeded random neurons: the floor to compare with.",
    });
  },
});
