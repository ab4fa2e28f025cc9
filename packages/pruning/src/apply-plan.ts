import { FormatError, UsageError } from "@sdmprune/core";
import { tensorByteLength, type DType } from "@sdmprune/model-io";
import type { PrunableGroup } from "@sdmprune/models/families";
import type { TensorEdits } from "./pruning-method.js";
import type { PruningPlan } from "./pruning-plan.js";
import { padTensor, sliceTensor } from "./slice-tensor.js";

/** The tensors of a checkpoint; the Checkpoint of @sdmprune/model-io is one. */
export interface TensorSource {
  tensorNames(): Iterable<string>;
  info(name: string): { readonly dtype: DType; readonly shape: readonly number[] };
  read(name: string): Promise<Uint8Array>;
}

/** A tensor to be written: what a writer must know first, and its bytes when their turn comes. */
export interface PrunedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Row-major little-endian bytes, read and cut when called. */
  data(): Promise<Uint8Array>;
}

export interface ApplyPlanOptions {
  readonly groups: readonly PrunableGroup[];
  /** Replaced values of whole tensors, as a method asked for. */
  readonly edits?: readonly TensorEdits[];
  /**
   * Width to which every layer is filled with zero neurons, which add exactly nothing to the model's output.
   * Default: each layer keeps the width of the plan.
   */
  readonly padTo?: number;
}

/**
 * The tensors of the checkpoint with the plan's neurons alone, in the checkpoint's dtypes and order. What is
 * kept stays equal bit for bit; one tensor is in memory at a time.
 *
 * @throws {UsageError} If the plan, the groups or the edits do not fit the checkpoint, or `padTo` is too narrow.
 */
export function applyPlan(
  source: TensorSource,
  plan: PruningPlan,
  options: ApplyPlanOptions,
): PrunedTensor[] {
  const { groups, edits = [], padTo } = options;
  const names = Array.from(source.tensorNames());
  assertNamesExist(names, options);
  const cuts = new Map<string, Cut>();
  for (const { layer, members } of groups) {
    const planned = plan.layers[layer];
    if (!planned || plan.layers.length !== groups.length) {
      throw new UsageError(
        `plan: expected ${groups.length} layers, as the model has, got ${plan.layers.length}.`,
      );
    }
    if (padTo !== undefined && padTo < planned.width) {
      throw new UsageError(
        `padTo: expected at least ${planned.width}, the width of layer ${layer}, got ${padTo}.`,
      );
    }
    const kept = Int32Array.from(planned.kept);
    for (const { tensor, axis } of members) {
      const { shape } = source.info(tensor);
      if (shape[axis] !== planned.intermediateSize) {
        throw new UsageError(
          `plan: layer ${layer} is planned for ${planned.intermediateSize} neurons, but "${tensor}" has shape [${shape.join(", ")}].`,
        );
      }
      cuts.set(tensor, { kept, axis, width: padTo ?? kept.length });
    }
  }
  return names.map((name) => {
    const { dtype, shape } = source.info(name);
    const edit = edits.findLast((each) => each.names.includes(name)); // a later stage edits what an earlier one left
    const data = edit ? () => readEdit(edit, name, dtype, shape) : () => source.read(name);
    const cut = cuts.get(name);
    return cut ? cutTensor({ name, dtype, shape, data }, cut) : { name, dtype, shape, data };
  });
}

function assertNamesExist(names: readonly string[], { groups, edits = [] }: ApplyPlanOptions): void {
  const existing = new Set(names);
  const cut = groups.flatMap(({ members }) => members.map(({ tensor }) => tensor));
  for (const [wanted, what] of [
    [cut, "a prunable group"],
    [edits.flatMap((edit) => edit.names), "an edit"],
  ] as const) {
    const missing = wanted.find((name) => !existing.has(name));
    if (missing !== undefined) {
      throw new UsageError(
        `checkpoint: expected tensor "${missing}", which ${what} names, got no such tensor.`,
      );
    }
  }
}

interface Cut {
  readonly kept: Int32Array;
  readonly axis: 0 | 1;
  /** Size of the axis afterwards; zeros fill up what `kept` leaves. */
  readonly width: number;
}

function cutTensor(tensor: PrunedTensor, { kept, axis, width }: Cut): PrunedTensor {
  const { name, dtype, shape } = tensor;
  const itemSize = tensorByteLength(dtype, [1], name);
  const resized = (size: number): number[] => shape.map((dim, i) => (i === axis ? size : dim));
  return {
    name,
    dtype,
    shape: resized(width),
    data: async () => {
      const cut = sliceTensor(await tensor.data(), shape, itemSize, kept, axis);
      return padTensor(cut, resized(kept.length), itemSize, width, axis);
    },
  };
}

async function readEdit(
  edits: TensorEdits,
  name: string,
  dtype: DType,
  shape: readonly number[],
): Promise<Uint8Array> {
  const bytes = await edits.read(name);
  const expected = tensorByteLength(dtype, shape, name);
  if (bytes.byteLength !== expected) {
    throw new FormatError(`edit of tensor "${name}": expected ${expected} bytes, got ${bytes.byteLength}.`);
  }
  return bytes;
}
