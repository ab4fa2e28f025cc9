import { readFile } from "node:fs/promises";
import { planShards, serializeSafetensors } from "@sdmprune/model-io";
import { TINY_CONFIG, tinyTensors } from "./tiny-checkpoint.js";

/** A checkpoint folder in memory: contents by file name. */
export type CheckpointFiles = Readonly<Record<string, Uint8Array>>;

export const INDEX_NAME = "model.safetensors.index.json";

/** A good sharded checkpoint with a tokenizer, to be damaged. */
export async function fuzzCheckpoint(): Promise<CheckpointFiles> {
  const tokenizer = new URL("fixtures/sentencepiece-tokenizer.json", import.meta.url);
  const { files, index } = planShards(tinyTensors(), 900);
  const out: Record<string, Uint8Array> = {
    "config.json": new TextEncoder().encode(TINY_CONFIG),
    [INDEX_NAME]: new TextEncoder().encode(index),
    "tokenizer.json": new Uint8Array(await readFile(tokenizer)), // a copy: slices of Node's buffers are views
    "tokenizer_config.json": new TextEncoder().encode('{"bos_token": "<s>", "eos_token": "</s>"}'),
  };
  for (const { name, tensors } of files) out[name] = await serializeSafetensors(tensors);
  return out;
}

/**
 * Every tensor of a checkpoint by the simplest reading of the format: headers by `JSON.parse`, bytes by
 * slice. Only right for well-formed files, which is what it is there to compare with.
 */
export function naiveTensors(files: CheckpointFiles): Map<string, Uint8Array> {
  const { weight_map: map } = JSON.parse(new TextDecoder().decode(files[INDEX_NAME])) as {
    weight_map: Record<string, string>;
  };
  return new Map(
    Object.entries(map).map(([tensor, file]) => {
      const bytes = files[file]!;
      const start = 8 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
      const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Record<
        string,
        { data_offsets: [number, number] }
      >;
      const [begin, end] = header[tensor]!.data_offsets;
      return [tensor, bytes.subarray(start + begin, start + end)];
    }),
  );
}
