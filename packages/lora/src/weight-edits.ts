import { NonFiniteError, ShapeError, UsageError } from "@sdmprune/core";
import { assertFinite, fromFloat32, toFloat32, type DType, type FloatDType } from "@sdmprune/model-io";
import type { Adapters } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";

/** Values of an adapter outside the engine. */
export interface AdapterValues {
  /** Row-major `[r, I]`. */
  readonly a: Float32Array;
  /** Row-major `[O, r]`. */
  readonly b: Float32Array;
  readonly r: number;
  readonly scaling: number;
}

/** Adapters as they are now, by layer, for use when they are gone from the engine. */
export async function adapterValues(adapters: Adapters): Promise<Map<string, AdapterValues>> {
  const all = new Map<string, AdapterValues>();
  for (const [module, { a, b, scaling }] of adapters) {
    const [aValues, bValues] = [await a.data<"float32">(), await b.data<"float32">()];
    all.set(module, { a: aValues.slice(), b: bValues.slice(), r: a.shape[0], scaling });
  }
  return all;
}

/** How a tensor of a checkpoint changes. */
export interface WeightEdit {
  /** Adapter to merge: adds `scaling * b a`. */
  readonly adapter?: AdapterValues | undefined;
  /** Factor of every row afterwards, or of every value of a vector. */
  readonly rowFactors?: ArrayLike<number> | undefined;
}

/** What is read of a checkpoint. */
export interface EditedSource {
  info(name: string): { readonly dtype: DType; readonly shape: readonly number[] };
  read(name: string): Promise<Uint8Array>;
}

/**
 * Tensors of a checkpoint with adapters merged and rows scaled, computed in float32 when they are read, one at a time, and rounded
 * once to the dtype that they have in the checkpoint. The `edits` of a stage of a method have this form.
 *
 * @param edits - By tensor name. Factors that round to 1 and adapters of zeros leave every bit as it was.
 * @throws {UsageError} If a tensor is of integers or of 8-bit floats.
 */
export function weightEdits(
  source: EditedSource,
  edits: ReadonlyMap<string, WeightEdit>,
): { readonly names: readonly string[]; read(name: string): Promise<Uint8Array> } {
  for (const name of edits.keys()) floatDType(name, source.info(name).dtype);
  return {
    names: [...edits.keys()],
    async read(name) {
      const { dtype, shape } = source.info(name);
      const values = toFloat32(await source.read(name), dtype);
      const edited = await editValues(name, values, shape, edits.get(name)!);
      assertFinite(edited, `edit of tensor "${name}"`, shape);
      const bytes = fromFloat32(edited, floatDType(name, dtype));
      assertFits(name, edited, bytes, dtype);
      return bytes;
    },
  };
}

async function editValues(
  name: string,
  values: Float32Array,
  shape: readonly number[],
  { adapter, rowFactors }: WeightEdit,
): Promise<Float32Array> {
  const [rows = 0, columns = 1] = shape;
  if (rowFactors && rowFactors.length !== rows) {
    throw new ShapeError(`edit of tensor "${name}": expected ${rows} row factors, got ${rowFactors.length}.`);
  }
  const edited = tf.tidy(() => {
    let w = tf.tensor2d(values, [rows, columns]);
    if (adapter) {
      const { a, b, r, scaling } = adapter;
      const change = tf.matMul(tf.tensor2d(b, [rows, r]), tf.tensor2d(a, [r, columns])); // [O, r] [r, I]
      w = tf.add(w, tf.mul(change, scaling));
    }
    return rowFactors ? tf.mul(w, tf.tensor2d(Float32Array.from(rowFactors), [rows, 1])) : w;
  });
  try {
    return (await edited.data()) as Float32Array;
  } finally {
    edited.dispose();
  }
}

function floatDType(name: string, dtype: DType): FloatDType {
  if (dtype === "F64" || dtype === "F32" || dtype === "F16" || dtype === "BF16") return dtype;
  throw new UsageError(
    `edit of tensor "${name}": expected F64, F32, F16 or BF16, got ${dtype}. Use a checkpoint that is not quantised.`,
  );
}

/** Half precision ends at 65504. */
function assertFits(name: string, values: Float32Array, bytes: Uint8Array, dtype: DType): void {
  if (dtype !== "F16") return;
  const back = toFloat32(bytes, dtype);
  const at = back.findIndex((value) => !Number.isFinite(value));
  if (at === -1) return;
  throw new NonFiniteError(
    `edit of tensor "${name}": expected values that F16 can hold, got ${values[at]}. Train with a lower learning rate.`,
  );
}
