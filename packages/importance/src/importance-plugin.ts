import { definePlugin } from "@sdmprune/core";
import { createMagnitude, magnitudeOptions } from "./criteria/magnitude.js";
import { createRandom, randomOptions } from "./criteria/random.js";
import {
  createSelfDistillation,
  createTaylor,
  selfDistillationOptions,
  taylorOptions,
} from "./criteria/self-distillation.js";
import { createWanda } from "./criteria/wanda.js";

/** Registers the built-in criteria. */
export const importancePlugin = definePlugin({
  name: "@sdmprune/importance",
  register({ importances }) {
    importances.register("self-distillation", createSelfDistillation, {
      description:
        "First-order salience of a loss that mixes cross-entropy with distillation from the original model.",
      options: selfDistillationOptions,
    });
    importances.register("taylor", createTaylor, {
      description: "First-order salience of next-token cross-entropy (one-hot labels).",
      options: taylorOptions,
    });
    importances.register("magnitude", createMagnitude, {
      description: "Euclidean norm of a neuron's gate, up and down weights; needs no data.",
      options: magnitudeOptions,
    });
    importances.register("wanda", createWanda, {
      description: "Mean down-projection weight times the norm of the activation; forward passes only.",
    });
    importances.register("random", createRandom, {
      description: "Seeded random scores; needs no data.",
      options: randomOptions,
    });
  },
});
