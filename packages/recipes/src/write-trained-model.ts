import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "@sdmprune/core";
import { fromFloat32, type FloatDType, type TensorToWrite } from "@sdmprune/model-io";
import { AtomicFolder, writeCheckpointInto } from "@sdmprune/model-io/node";
import type { CausalLM } from "@sdmprune/models";
import type { OpenedModel } from "./open-model.js";

/**
 * Writes a model whose parameters were trained into the folder of its training, in the checkpoint's types. The files are written
 * aside and moved in when all are whole, `config.json` last: a folder with it can be loaded.
 */
export async function writeTrainedModel(
  run: Run,
  { checkpoint, family, config }: OpenedModel,
  trained: CausalLM,
  output: string,
): Promise<void> {
  const task = "write checkpoint";
  const folder = await AtomicFolder.begin(join(output, "model"), { force: true });
  try {
    await writeCheckpointInto(folder, {
      config: checkpoint.configText,
      tensors: family.expectedTensors(config).map(({ name, shape }): TensorToWrite => {
        const { dtype } = checkpoint.info(name);
        return {
          name,
          dtype,
          shape,
          async data() {
            const tensor = await trained.parameter(name);
            const values = (await tensor.data()) as Float32Array;
            tensor.dispose();
            return fromFloat32(values, dtype as FloatDType);
          },
        };
      }),
      carryOverFrom: checkpoint,
      onProgress: (done, total) => run.progress({ type: "advance", task, done, total, unit: "bytes" }),
      signal: run.signal,
    });
    const names = (await readdir(folder.path)).filter((name) => name !== "config.json");
    for (const name of [...names, "config.json"]) await rename(join(folder.path, name), join(output, name));
  } finally {
    await folder.discard();
  }
}
