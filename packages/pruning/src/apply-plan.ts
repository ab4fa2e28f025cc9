import { FormatError } from "@sdmprune/core";
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
 */
export function applyPlan(
  source: TensorSource,
  plan: PruningPlan,
  options: ApplyPlanOptions,
): PrunedTensor[] {
  const cuts = new Map<string, Cut>();
  for (const { layer, members } of options.groups) {
    const kept = Int32Array.from(plan.layers[layer]!.kept);
    for (const { tensor, axis } of members) cuts.set(tensor, { kept, axis });
  }
  return Array.from(source.tensorNames(), (name) => {
    const { dtype, shape } = source.info(name);
    const cut = cuts.get(name);
    const edit = options.edits?.findLast(({ names }) => names.includes(name));
    const read = edit ? () => readEdit(edit, name, dtype, shape) : () => source.read(name);
    if (!cut) return { name, dtype, shape, data: read };
    return cutTensor({ name, dtype, shape, data: read }, cut, options.padTo ?? cut.kept.length);
  });
}

interface Cut {
  readonly kept: Int32Array;
  readonly axis: 0 | 1;
}

function cutTensor(tensor: PrunedTensor, { kept, axis }: Cut, width: number): PrunedTensor {
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
