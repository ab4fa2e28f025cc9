import { FormatError } from "@sdmprune/core";

/**
 * Element types of the safetensors format, with their size in bits, in the format's own order: within a
 * file the Python library stores the types that stand last here first, which keeps every tensor aligned.
 */
const DTYPE_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** Element type of a tensor in a safetensors file. */
export type DType = keyof typeof DTYPE_BITS;

/** Every element type, narrow before wide. */
export const DTYPES = Object.keys(DTYPE_BITS) as readonly DType[];

const RANK = new Map(DTYPES.map((dtype, rank) => [dtype, rank]));

export function isDType(name: unknown): name is DType {
  return typeof name === "string" && RANK.has(name as DType);
}

/** Negative when tensors of type `a` stand before those of type `b` in a file. */
export function compareDTypes(a: DType, b: DType): number {
  return RANK.get(b)! - RANK.get(a)!;
}

/** Number of elements of a shape; 1 for the empty shape. */
export function shapeSize(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/**
 * Bytes of a tensor in a file.
 *
 * @param where - Names the tensor in error messages.
 * @throws {FormatError} If the shape is not made of non-negative integers, the size is beyond 2^53, or
 *   elements smaller than a byte do not fill the last one.
 */
export function tensorByteLength(dtype: DType, shape: readonly number[], where: string): number {
  let bits: number = DTYPE_BITS[dtype];
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new FormatError(
        `${where}: expected a shape of non-negative integers, got [${shape.join(", ")}].`,
      );
    }
    bits *= dimension;
    if (!Number.isSafeInteger(bits)) {
      throw new FormatError(`${where}: expected a size below 2^53 bits, got shape [${shape.join(", ")}].`);
    }
  }
  if (bits % 8 !== 0) {
    throw new FormatError(
      `${where}: expected whole bytes, got ${bits} bits (${dtype}, shape [${shape.join(", ")}]).`,
    );
  }
  return bits / 8;
}
