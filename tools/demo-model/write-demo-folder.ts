import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromFloat32 } from "@sdmprune/model-io";
import { openCheckpoint, writeCheckpoint } from "@sdmprune/model-io/node";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { demoModelCard } from "./demo-model-card.js";
import { MODEL_CONFIG, type TrainingSettings } from "./settings.js";
import { BOS_ID, EOS_ID, type TokenizerFiles } from "./tokenizer.js";

export interface DemoFolderContents {
  /** The trained model. */
  model: CausalLM;
  tokenizerFiles: TokenizerFiles;
  calibrationText: string;
  heldoutText: string;
  /** One JSON object a line. */
  trainingLog: string;
  trigramPerplexity: number;
  /** Measures a model on the held-out text. */
  heldoutPerplexity: (model: CausalLM) => Promise<number>;
  /** Text of the licence. */
  license: string;
  training: TrainingSettings;
}

/**
 * Writes the demo model as a checkpoint folder in bfloat16, with its texts, training log and model card. The
 * card's perplexity is that of the written weights, read back.
 */
export async function writeDemoFolder(directory: string, contents: DemoFolderContents): Promise<void> {
  const { model, tokenizerFiles } = contents;
  const config = llamaFamily.parseConfig(MODEL_CONFIG);
  const tensors = llamaFamily.expectedTensors(config).map(({ name, shape }) => ({
    name,
    shape,
    dtype: "BF16" as const,
    data: async () => {
      const parameter = await model.parameter(name);
      const values = (await parameter.data()) as Float32Array;
      parameter.dispose();
      return fromFloat32(values, "BF16");
    },
  }));
  const extraFiles = {
    "generation_config.json": asJson({ bos_token_id: BOS_ID, eos_token_id: EOS_ID }),
    "tokenizer.json": asJson(tokenizerFiles.tokenizer),
    "tokenizer_config.json": asJson(tokenizerFiles.config),
    "calibration.txt": contents.calibrationText,
    "heldout.txt": contents.heldoutText,
    "training-log.jsonl": contents.trainingLog,
    LICENSE: contents.license,
  };
  const checkpoint = { config: { ...MODEL_CONFIG, architectures: [...MODEL_CONFIG.architectures] }, tensors };

  const draft = `${directory}.draft`;
  await mkdir(join(directory, ".."), { recursive: true });
  await writeCheckpoint(draft, { ...checkpoint, extraFiles, force: true });
  const written = await llamaFamily.load(await openCheckpoint(draft), config);
  const heldoutPerplexity = await contents.heldoutPerplexity(written);
  written.dispose();
  const numParameters = llamaFamily
    .expectedTensors(config)
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const card = demoModelCard({ ...contents, heldoutPerplexity, numParameters });
  await writeCheckpoint(directory, {
    ...checkpoint,
    extraFiles: { ...extraFiles, "README.md": card },
    force: true,
  });
  await rm(draft, { recursive: true, force: true });
}

function asJson(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}
