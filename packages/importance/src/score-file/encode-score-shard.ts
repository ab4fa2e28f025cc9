import { serializeSafetensors, type TensorToWrite } from "@sdmprune/model-io";
import { SHARD_KEY, type ShardInfo } from "./score-shard.js";

/** Increments of one criterion: for each layer those of all windows in order, `[F]` or `[numSums, F]` each. */
export type LayerIncrements = readonly (readonly Float32Array[])[];

/**
 * A shard of a score: safetensors with one F32 tensor `<importance>/increments.<i>` of shape
 * `[increments, numSums * intermediate_size]` per criterion that looks at windows and layer. Sums are left to whoever merges:
 * float64 sums of part of the windows would not add up to the bits of the whole.
 *
 * @param widthsOf - Length of a criterion's increments in every layer.
 */
export async function encodeScoreShard(
  info: ShardInfo,
  widthsOf: (importance: string) => readonly number[],
  increments: ReadonlyMap<string, LayerIncrements>,
): Promise<Uint8Array> {
  const tensors = [...increments].flatMap(([name, layers]) =>
    layers.map((rows, layer) =>
      incrementsTensor(`${name}/increments.${layer}`, rows, widthsOf(name)[layer]!),
    ),
  );
  const { index, count, nsamples, numTokens, manifest } = info;
  const metadata = { shard: { index, count }, nsamples, num_tokens: numTokens, manifest };
  return serializeSafetensors(tensors, { format: "pt", [SHARD_KEY]: JSON.stringify(metadata) });
}

function incrementsTensor(name: string, rows: readonly Float32Array[], width: number): TensorToWrite {
  return {
    name,
    dtype: "F32",
    shape: [rows.length, width],
    data: () => {
      const values = new Float32Array(rows.length * width);
      rows.forEach((row, i) => values.set(row, i * width));
      return new Uint8Array(values.buffer);
    },
  };
}
