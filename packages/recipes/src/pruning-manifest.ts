import { VERSION } from "@sdmprune/core";
import type { JsonValue } from "@sdmprune/model-io";
import type { PruningPlan, TensorEdits } from "@sdmprune/pruning";
import type { Options } from "./create-criterion.js";
import type { ExportForm } from "./prune-request.js";

export interface ManifestInput {
  readonly method: string;
  readonly methodOptions: Options;
  /** Names of the stages that ran, in order. */
  readonly stages: readonly string[];
  readonly seed: number | undefined;
  readonly allocation: string;
  readonly target: JsonValue;
  readonly plan: PruningPlan;
  /** What the method replaced besides removing neurons. */
  readonly edits: readonly TensorEdits[];
  /** Width every layer has in the files. */
  readonly writtenWidths: readonly number[];
  readonly exportForm: ExportForm;
  /** Hash of the checkpoint that was pruned. */
  readonly sourceSha256: string;
  readonly scoresSha256?: string;
  readonly calibration: JsonValue | undefined;
  /** How the weights that stay were changed. */
  readonly compensation?: JsonValue;
  readonly backend: string | undefined;
}

/**
 * `pruning_manifest.json`: how the checkpoint beside it came about. The same run gives the same bytes, so it
 * holds no clock, path or duration; those are in `run.json`.
 */
export function pruningManifest(input: ManifestInput): string {
  const { plan } = input;
  const manifest = {
    format: "sdmprune-manifest",
    version: 1,
    method: input.method,
    method_options: input.methodOptions,
    stages: input.stages,
    seed: input.seed,
    allocation: input.allocation,
    target: input.target,
    source: { model_type: plan.modelType, sha256: input.sourceSha256 },
    parameters: {
      before: snakeCounts(plan.parameters.before),
      after: snakeCounts(plan.parameters.after),
      pruning_ratio: snakeCounts(plan.parameters.removed),
    },
    export: input.exportForm,
    intermediate_size: input.writtenWidths,
    layers: plan.layers.map(({ layer, intermediateSize, width, kept }) => ({
      layer,
      intermediate_size_before: intermediateSize,
      intermediate_size: width,
      kept,
    })),
    edited_tensors: input.edits.length > 0 ? editedNames(input.edits) : undefined,
    scores_sha256: input.scoresSha256,
    calibration: input.calibration,
    compensation: input.compensation,
    backend: input.backend,
    versions: { sdmprune: VERSION },
  };
  return `${JSON.stringify(manifest, null, 2).replace(/\[[\s\d,]+\]/g, (list) => list.replace(/\s+/g, ""))}\n`;
}

function snakeCounts({
  total,
  nonEmbedding,
  mlp,
}: PruningPlan["parameters"]["before"]): Record<string, number> {
  return { total, non_embedding: nonEmbedding, mlp };
}

/** Tensors whose values are not those of the source. */
function editedNames(edits: readonly TensorEdits[]): string[] {
  return [...new Set(edits.flatMap(({ names }) => names))].sort();
}
