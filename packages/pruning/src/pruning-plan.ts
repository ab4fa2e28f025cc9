import { FormatError, parseOptions, UsageError } from "@sdmprune/core";
import { z } from "zod";
import { achievedRatios, countParameters, type ModelShape, type ParameterCounts } from "./model-shape.js";

/** Which neurons of which layer stay: a value, serialisable to JSON, applied by `applyPlan`. */
export interface PruningPlan {
  readonly format: "sdmprune-plan";
  readonly version: 1;
  readonly modelType: string;
  readonly layers: readonly PlannedLayer[];
  readonly parameters: {
    readonly before: ParameterCounts;
    readonly after: ParameterCounts;
    readonly removed: ParameterCounts;
  };
}

export interface PlannedLayer {
  readonly layer: number;
  /** Width before. */
  readonly intermediateSize: number;
  /** Width after: the number of kept neurons. */
  readonly width: number;
  /** Indices of the kept neurons in the original checkpoint, ascending. */
  readonly kept: readonly number[];
}

/** Kept neurons per layer, as indices into the original checkpoint. */
export type KeptNeurons = readonly Int32Array[];

/**
 * @param kept - Ascending indices per layer.
 * @throws {UsageError} If a layer is missing, keeps nothing, or its indices do not rise strictly within its width.
 */
export function createPlan(modelType: string, shape: ModelShape, kept: KeptNeurons): PruningPlan {
  if (kept.length !== shape.widths.length) {
    throw new UsageError(
      `plan: expected the kept neurons of ${shape.widths.length} layers, got ${kept.length}.`,
    );
  }
  for (const [layer, indices] of kept.entries()) {
    const problem = keptProblem(indices, shape.widths[layer]!);
    if (problem) throw new UsageError(`plan: layer ${layer}: ${problem}.`);
  }
  const before = countParameters(shape);
  const after = countParameters(
    shape,
    kept.map((indices) => indices.length),
  );
  return {
    format: "sdmprune-plan",
    version: 1,
    modelType,
    layers: kept.map((indices, layer) => ({
      layer,
      intermediateSize: shape.widths[layer]!,
      width: indices.length,
      kept: Array.from(indices),
    })),
    parameters: { before, after, removed: achievedRatios(before, after) },
  };
}

/** What is wrong with the kept neurons of a layer, as a phrase. */
function keptProblem(kept: ArrayLike<number>, intermediateSize: number): string | undefined {
  if (kept.length === 0) return "at least one neuron must be kept";
  const rises = Array.from(kept).every((n, i) => n > (i === 0 ? -1 : kept[i - 1]!));
  return rises && kept[kept.length - 1]! < intermediateSize
    ? undefined
    : `kept neurons must rise strictly and stay below ${intermediateSize}`;
}

export function planWidths(plan: PruningPlan): number[] {
  return plan.layers.map(({ width }) => width);
}

export function planKept(plan: PruningPlan): KeptNeurons {
  return plan.layers.map(({ kept }) => Int32Array.from(kept));
}

const count = z.number().nonnegative();
const counts = z.object({ total: count, nonEmbedding: count, mlp: count });
const planSchema = z.object({
  format: z.literal("sdmprune-plan"),
  version: z.literal(1),
  modelType: z.string(),
  layers: z
    .array(
      z.object({
        layer: z.int().min(0),
        intermediateSize: z.int().min(1),
        width: z.int().min(1),
        kept: z.array(z.int().min(0)),
      }),
    )
    .min(1),
  parameters: z.object({ before: counts, after: counts, removed: counts }),
});

/**
 * Reads a plan from JSON text and checks it in full.
 *
 * @param where - File name for errors.
 * @throws {FormatError} If it is not JSON or its indices are inconsistent.
 * @throws {ConfigError} If it does not have the plan's form.
 */
export function parsePlan(text: string, where: string): PruningPlan {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${where}: expected a pruning plan in JSON, got text that does not parse.`, {
      cause,
    });
  }
  const plan = parseOptions(where, planSchema, json);
  for (const [i, { layer, intermediateSize, width, kept }] of plan.layers.entries()) {
    const problem =
      (layer !== i && `expected layer ${i} at this place, got ${layer}`) ||
      (width !== kept.length && `width is ${width}, but ${kept.length} neurons are kept`) ||
      keptProblem(kept, intermediateSize);
    if (problem) throw new FormatError(`${where}: layers[${i}]: ${problem}.`);
  }
  return plan;
}

/** @throws {UsageError} If the plan was made for a model of other widths. */
export function assertPlanFits(plan: PruningPlan, shape: ModelShape, where: string): void {
  const expected = plan.layers.map((l) => l.intermediateSize).join(", ");
  const got = shape.widths.join(", ");
  if (expected !== got) {
    throw new UsageError(`${where}: the plan is for MLPs of width [${expected}], the model has [${got}].`);
  }
}

/** The plan as text for a person: each layer's width before and after, then the parameter counts. */
export function formatPlan(plan: PruningPlan): string {
  const lines = plan.layers.map(
    ({ layer, intermediateSize, width }) =>
      `  layer ${String(layer).padStart(3)}  mlp ${intermediateSize} -> ${width}  (-${percent(1 - width / intermediateSize)})`,
  );
  const { before, after, removed } = plan.parameters;
  const row = (label: string, key: keyof ParameterCounts): string =>
    `  ${label.padEnd(14)} ${before[key].toLocaleString("en-US")} -> ${after[key].toLocaleString("en-US")}  (-${percent(removed[key])})`;
  return [
    ...lines,
    "parameters",
    row("total", "total"),
    row("non-embedding", "nonEmbedding"),
    row("mlp", "mlp"),
  ].join("\n");
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(2)} %`;
}
