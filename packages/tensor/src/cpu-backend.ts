import { SdmPruneError } from "@sdmprune/core";
import * as tf from "@tensorflow/tfjs-core";
import type { TensorBackend } from "./backend.js";

/** The plain JavaScript engine of tfjs: slow, needs nothing, runs anywhere. */
export function createCpuBackend(): TensorBackend {
  return {
    name: "cpu",
    capabilities: { synchronous: true, float16: false, device: "cpu" },
    isAvailable: () => Promise.resolve({ available: true }),
    async activate() {
      await import("@tensorflow/tfjs-backend-cpu"); // registers itself
      if (!(await tf.setBackend("cpu"))) {
        throw new SdmPruneError('backend "cpu": tfjs could not initialise it.');
      }
      writeWithoutBanner();
    },
    memory: () => ({ ...tf.memory() }),
  };
}

/** The engine prints an advertisement when the first tensor is made in Node, unless tfjs runs under test. */
function writeWithoutBanner(): void {
  const isTest = tf.env().getBool("IS_TEST");
  tf.env().set("IS_TEST", true);
  try {
    tf.dispose(tf.scalar(0));
  } finally {
    tf.env().set("IS_TEST", isTest);
  }
}
