import { ShapeError } from "@sdmprune/core";
import type { PrunableGroup } from "@sdmprune/models/families";

/** Sizes of the tensors of a checkpoint, and which of them shrink with which MLP: all that planning needs. */
export interface ModelShape {
  /** Current width (intermediate size) of every MLP. */
  readonly widths: readonly number[];
  /** Parameters that one neuron of a layer holds. */
  readonly neuronSizes: readonly number[];
  /** All parameters; tied embeddings count once. */
  readonly totalParameters: number;
  /** Parameters of the input embedding and, where it is a tensor of its own, of the LM head. */
  readonly embeddingParameters: number;
}

/** The three counts of which a pruning ratio can be a part. */
export type RatioOf = "total" | "non-embedding" | "mlp";

export type ParameterCounts = Readonly<Record<"total" | "nonEmbedding" | "mlp", number>>;

/**
 * @param groups - Prunable groups of the model, one per layer.
 * @param tensors - Shape of every parameter of the checkpoint.
 * @param isEmbedding - Whether a tensor belongs to the embedding or the LM head.
 * @throws {ShapeError} If a group has a tensor without a shape.
 */
export function modelShape(
  groups: readonly PrunableGroup[],
  tensors: ReadonlyMap<string, readonly number[]>,
  isEmbedding: (name: string) => boolean,
): ModelShape {
  let totalParameters = 0;
  let embeddingParameters = 0;
  for (const [name, shape] of tensors) {
    const size = shape.reduce((a, b) => a * b, 1);
    totalParameters += size;
    if (isEmbedding(name)) embeddingParameters += size;
  }
  const neuronSizes = groups.map((group) =>
    group.members.reduce((sum, { tensor, axis }) => {
      const shape = tensors.get(tensor);
      if (!shape) throw new ShapeError(`modelShape: expected the shape of tensor "${tensor}", got none.`);
      return sum + shape.reduce((product, dim, i) => (i === axis ? product : product * dim), 1);
    }, 0),
  );
  return { widths: groups.map((g) => g.intermediateSize), neuronSizes, totalParameters, embeddingParameters };
}

/** Parameters of the model when its MLPs have these widths. */
export function countParameters(
  shape: ModelShape,
  widths: readonly number[] = shape.widths,
): ParameterCounts {
  let mlp = 0;
  let removed = 0;
  for (const [layer, neuronSize] of shape.neuronSizes.entries()) {
    mlp += widths[layer]! * neuronSize;
    removed += (shape.widths[layer]! - widths[layer]!) * neuronSize;
  }
  const total = shape.totalParameters - removed;
  return { total, nonEmbedding: total - shape.embeddingParameters, mlp };
}

/** The part removed, of each of the three counts. */
export function achievedRatios(before: ParameterCounts, after: ParameterCounts): ParameterCounts {
  const ratio = (key: keyof ParameterCounts): number => (before[key] - after[key]) / before[key];
  return { total: ratio("total"), nonEmbedding: ratio("nonEmbedding"), mlp: ratio("mlp") };
}

/** The count that a ratio is a part of. */
export function countOf(counts: ParameterCounts, ratioOf: RatioOf): number {
  return ratioOf === "non-embedding" ? counts.nonEmbedding : counts[ratioOf];
}
