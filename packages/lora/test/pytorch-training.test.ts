import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { openSafetensors, type SafetensorsFile } from "@sdmprune/model-io";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { forwardHidden, headLogits, llamaFamily, type CausalLM, type ModuleAdapter } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import {
  allParameters,
  disposeAdapters,
  loraParameters,
  planTraining,
  sameEveryEpoch,
  train,
  type LoraConfig,
} from "@sdmprune/lora";
import { openAdapter } from "@sdmprune/lora/node";

/** Written by tools/reference/tiny_llama_training.py. */
interface Fixture {
  readonly settings: {
    readonly learning_rate: number;
    readonly weight_decay: number;
    readonly warmup_steps: number;
    readonly max_grad_norm: number;
    readonly steps: number;
    readonly lora: { readonly r: number; readonly lora_alpha: number; readonly target_modules: string[] };
    readonly kd: { readonly alpha: number; readonly tau: number };
  };
  readonly sequences: readonly { readonly ids: number[]; readonly labels: number[] }[];
  readonly runs: Readonly<Record<string, { readonly loss: number[] }>>;
  readonly adapter_logits: { readonly ids: number[]; readonly values: number[] };
}

const FIXTURES = join(import.meta.dirname, "fixtures");
const MODELS = join(dirname(fileURLToPath(import.meta.resolve("@sdmprune/test-utils"))), "../fixtures");
const fixture = JSON.parse(readFileSync(join(FIXTURES, "tiny-llama-training.json"), "utf8")) as Fixture;
const { settings } = fixture;

let tensors: SafetensorsFile;
beforeAll(async () => {
  await activateCpuBackend();
  tensors = await openSafetensors(readFileSync(join(FIXTURES, "tiny-llama-training.safetensors")));
});

async function load(name: string): Promise<CausalLM> {
  const checkpoint = await openCheckpoint(join(MODELS, name));
  return llamaFamily.load(checkpoint, llamaFamily.parseConfig(checkpoint.config));
}

const lora: LoraConfig = {
  r: settings.lora.r,
  loraAlpha: settings.lora.lora_alpha,
  loraDropout: 0,
  targetModules: settings.lora.target_modules,
  useRslora: false,
};

/** The adapters that PyTorch started from. */
async function startingAdapters(): Promise<Map<string, ModuleAdapter>> {
  const adapters = new Map<string, ModuleAdapter>();
  const read = async (name: string): Promise<tf.Tensor2D> =>
    tf.tensor2d(await tensors.readFloat32(name), tensors.tensor(name).shape as [number, number]);
  for (const name of tensors.names) {
    const module = /^start\/(.+)\.lora_A\.weight$/.exec(name)?.[1];
    if (module === undefined) continue;
    const b = await read(`start/${module}.lora_B.weight`);
    adapters.set(module, { a: await read(name), b, scaling: lora.loraAlpha / lora.r });
  }
  return adapters;
}

describe.each(["lora", "full"] as const)("50 steps of %s training", (mode) => {
  it.each(["ce", "kd"] as const)("end where PyTorch ends, by %s", async (loss) => {
    const model = await load("tiny-llama-tied");
    const teacher = loss === "kd" ? await load("tiny-llama") : undefined;
    const initial = await startingAdapters();
    const trainable =
      mode === "lora" ? loraParameters(model, lora, { seed: 0, initial }) : await allParameters(model);
    const sequences = fixture.sequences.map(({ ids, labels }) => ({
      ids: Int32Array.from(ids),
      labels: Int32Array.from(labels),
      segmentLengths: [ids.length],
    }));
    const plan = planTraining(sameEveryEpoch(sequences), {
      epochs: 1,
      maxSteps: settings.steps,
      batchSize: 1,
      gradientAccumulation: 2,
    });
    const curve: number[] = [];
    await train(
      model,
      trainable,
      plan,
      {
        learningRate: settings.learning_rate,
        weightDecay: settings.weight_decay,
        warmupSteps: settings.warmup_steps,
        maxGradNorm: settings.max_grad_norm,
        schedule: "cosine",
        teacher,
        loss: teacher ? { kind: "blend", ...settings.kd } : { kind: "cross-entropy" },
      },
      { step: (metrics) => void curve.push(metrics.loss) },
    );
    const expected = fixture.runs[`${mode}-${loss}`]!.loss;
    const lossError = Math.max(...curve.map((value, i) => Math.abs(value - expected[i]!)));
    let tensorError = 0;
    expect(trainable.parameters.length).toBe(
      tensors.names.filter((name) => name.startsWith(`${mode}-${loss}/`)).length,
    );
    for (const { name, variable } of trainable.parameters) {
      const reference = await tensors.readFloat32(`${mode}-${loss}/${name}`);
      const error = relativeNormError((await variable.data()) as Float32Array, reference);
      tensorError = Math.max(tensorError, error);
    }
    if (process.env["SHOW_ERRORS"])
      console.info(`${mode}-${loss}: loss ${lossError}, tensors ${tensorError}`); // eslint-disable-line no-console
    expect(curve).toHaveLength(expected.length);
    expect(lossError).toBeLessThan(1e-4);
    expect(tensorError).toBeLessThan(1e-4);
    trainable.dispose();
    disposeAdapters(initial);
    teacher?.dispose();
    model.dispose();
  });
});

function relativeNormError(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  let difference = 0;
  let size = 0;
  expected.forEach((value, i) => {
    difference += (actual[i]! - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(difference / size);
}

it("loads an adapter that peft saved and computes its logits", async () => {
  const model = await load("tiny-llama-tied");
  const { adapters, config } = await openAdapter(join(FIXTURES, "peft-adapter"));
  expect(config).toMatchObject({ r: lora.r, loraAlpha: lora.loraAlpha, loraDropout: 0 });
  model.setAdapters(adapters);
  const { ids, values } = fixture.adapter_logits;
  const hidden = await forwardHidden(model, Int32Array.from(ids), 1);
  const logits = await headLogits(model.head, hidden);
  const actual = await logits.data();
  expect(Math.max(...values.map((value, i) => Math.abs(value - actual[i]!)))).toBeLessThan(1e-4);
  tf.dispose([hidden, logits]);
  disposeAdapters(adapters);
  model.dispose();
});
