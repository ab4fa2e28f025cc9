import { UsageError } from "@sdmprune/core";
import { serializeSafetensors, type TensorToWrite } from "@sdmprune/model-io";
import { KEPT, MANIFEST_KEY, type LayerScores, type ScoreFile, type StageScores } from "./score-file.js";

/**
 * A score file: safetensors with one F64 tensor `<importance>/layers.<i>` per criterion and layer; a method's
 * own holds `stage<n>/<importance>/layers.<i>` and, from stage 2 on, `stage<n>/kept/layers.<i>` (I64).
 * The same content gives the same bytes.
 *
 * @throws {UsageError} If a stage's importance has the name that its kept neurons go by.
 */
export async function encodeScoreFile({ importances, stages, manifest }: ScoreFile): Promise<Uint8Array> {
  const tensors = [
    ...[...importances].flatMap(([name, scores]) => scoreTensors(name, scores)),
    ...stages.flatMap((stage, i) => stageTensors(`stage${i + 1}`, stage)),
  ];
  return serializeSafetensors(tensors, { format: "pt", [MANIFEST_KEY]: JSON.stringify(manifest) });
}

function stageTensors(stage: string, { importance, scores, kept = [] }: StageScores): TensorToWrite[] {
  if (importance === KEPT) {
    throw new UsageError(
      `score file: an importance of a method cannot be called "${KEPT}"; register it by another name.`,
    );
  }
  const keptTensors = kept.map((indices, layer) => ({
    name: `${stage}/${KEPT}/layers.${layer}`,
    dtype: "I64" as const,
    shape: [indices.length],
    data: () => new Uint8Array(BigInt64Array.from(indices, BigInt).buffer),
  }));
  return [...scoreTensors(`${stage}/${importance}`, scores), ...keptTensors];
}

function scoreTensors(prefix: string, scores: LayerScores): TensorToWrite[] {
  return scores.map((score, layer) => ({
    name: `${prefix}/layers.${layer}`,
    dtype: "F64",
    shape: [score.length],
    data: () => new Uint8Array(score.buffer, score.byteOffset, score.byteLength),
  }));
}
