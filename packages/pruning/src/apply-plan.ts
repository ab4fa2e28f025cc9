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
  /** @param options - `into`: as many bytes, which may be written to and returned, to spare an array. */
  read(name: string, options?: { into?: Uint8Array | undefined }): Promise<Uint8Array>;
}

/** A tensor to be written: what a writer must know first, and its bytes when their turn comes. */
export interface PrunedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Row-major little-endian bytes, read and cut when called; into `into`, which is as long, or an array of their own. */
  data(into?: Uint8Array): Promise<Uint8Array>;
}

export interface ApplyPlanOptions {
  readonly groups: readonly PrunableGroup[];
  /** Replaced values of whole tensors, as a method asked for. */
  readonly edits?: readonly TensorEdits[];
  /** Tensors that the checkpoint does not have, as they are to be written: they are not cut. */
  readonly added?: readonly PrunedTensor[];
  /**
   * Width to which every layer is filled with zero neurons, which add exactly nothing to the model's output.
   * Default: each layer keeps the width of the plan.
   */
  readonly padTo?: number;
}

/**
 * The tensors of the checkpoint with the plan's neurons alone, in the checkpoint's dtypes and order. What is
 * kept stays equal bit for bit; one tensor is read at a time, and what is cut goes through one array.
 *
 * @throws {UsageError} If the plan, the groups or the edits do not fit the checkpoint, or `padTo` is too narrow.
 */
export function applyPlan(
  source: TensorSource,
  plan: PruningPlan,
  options: ApplyPlanOptions,
): PrunedTensor[] {
  const { groups, edits = [], added = [], padTo } = options;
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
  const scratch = new Scratch();
  const cutTensors = names.map((name) => {
    const { dtype, shape } = source.info(name);
    const edit = edits.findLast((each) => each.names.includes(name)); // a later stage edits what an earlier one left
    const data = (into?: Uint8Array): Promise<Uint8Array> =>
      edit ? readEdit(edit, name, dtype, shape) : source.read(name, { into });
    const cut = cuts.get(name);
    return cut ? cutTensor({ name, dtype, shape, data }, cut, scratch) : { name, dtype, shape, data };
  });
  return [...cutTensors, ...added];
}

function assertNamesExist(
  names: readonly string[],
  { groups, edits = [], added = [] }: ApplyPlanOptions,
): void {
  const existing = new Set(names);
  const twice = added.find(({ name }) => existing.has(name));
  if (twice)
    throw new UsageError(`checkpoint: expected no tensor "${twice.name}", which is to be added, got one.`);
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

/** The array that tensors are read into before they are cut: fresh memory is slower than the disk's cache. */
class Scratch {
  #bytes = new Uint8Array(0);

  /** Lends the array to `body`; a second borrower at the same time gets one of its own. */
  async lend<R>(size: number, body: (into: Uint8Array) => Promise<R>): Promise<R> {
    const bytes = this.#bytes.byteLength >= size ? this.#bytes : new Uint8Array(size);
    this.#bytes = new Uint8Array(0);
    try {
      return await body(bytes.subarray(0, size));
    } finally {
      if (bytes.byteLength > this.#bytes.byteLength) this.#bytes = bytes;
    }
  }
}

/** A tensor that can be read into an array that is there already. */
interface ReadableTensor extends Omit<PrunedTensor, "data"> {
  data(into: Uint8Array): Promise<Uint8Array>;
}

function cutTensor(tensor: ReadableTensor, { kept, axis, width }: Cut, scratch: Scratch): PrunedTensor {
  const { name, dtype, shape } = tensor;
  const itemSize = tensorByteLength(dtype, [1], name);
  const resized = (size: number): number[] => shape.map((dim, i) => (i === axis ? size : dim));
  return {
    name,
    dtype,
    shape: resized(width),
    data: (into) =>
      scratch.lend(tensorByteLength(dtype, shape, name), async (whole) => {
        const cut = sliceTensor(await tensor.data(whole), shape, itemSize, kept, axis, into);
        return padTensor(cut, resized(kept.length), itemSize, width, axis);
      }),
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
