import { FormatError } from "@sdmprune/core";
import type { DType } from "./dtype.js";

// Files are little-endian, and so is every platform that runs JavaScript engines of today: elements are read
// through typed arrays, on bit patterns (never through a float register, which may change a NaN's payload).

/** Element types that `fromFloat32` can write. */
export type FloatDType = "F64" | "F32" | "F16" | "BF16";

/**
 * Converts a tensor's bytes to float32. F16, BF16 and small integers convert exactly, NaN payloads included;
 * F64 and large integers round to nearest.
 *
 * @param bytes - Row-major little-endian elements.
 * @param out - Where to write; a new array by default. Without it, aligned F32 bytes are not copied: the
 *   result is then a view of them.
 * @throws {FormatError} If the type has no float32 form here (F8, F6, F4, C64) or the lengths do not fit.
 */
export function toFloat32(bytes: Uint8Array, dtype: DType, out?: Float32Array): Float32Array {
  const read = READERS[dtype];
  if (read === undefined) {
    throw new FormatError(
      `toFloat32: expected one of ${Object.keys(READERS).join(", ")}, got ${dtype}. Convert the checkpoint to BF16 first.`,
    );
  }
  const elementBytes = ELEMENT_BYTES[dtype]!;
  const length = bytes.byteLength / elementBytes;
  if (!Number.isInteger(length) || (out !== undefined && out.length !== length)) {
    const expected = out === undefined ? `a multiple of ${elementBytes}` : String(out.length * elementBytes);
    throw new FormatError(`toFloat32: expected ${expected} bytes of ${dtype}, got ${bytes.byteLength}.`);
  }
  const aligned = bytes.byteOffset % elementBytes === 0 ? bytes : bytes.slice();
  if (dtype === "F32" && out === undefined) {
    return new Float32Array(aligned.buffer, aligned.byteOffset, length);
  }
  const target = out ?? new Float32Array(length);
  read(aligned, target);
  return target;
}

/**
 * Converts float32 values to a tensor's bytes, rounding to nearest, ties to even; values beyond the largest
 * finite F16 or BF16 become infinite, a NaN stays a NaN. Values that came from `toFloat32` of the same type
 * give back the same bytes.
 */
export function fromFloat32(values: Float32Array, dtype: FloatDType): Uint8Array {
  switch (dtype) {
    case "F64":
      return new Uint8Array(Float64Array.from(values).buffer);
    case "F32":
      return new Uint8Array(values.slice().buffer);
    case "BF16":
      return new Uint8Array(mapBits(values, bfloat16Bits).buffer);
    case "F16":
      return new Uint8Array(mapBits(values, float16Bits).buffer);
  }
}

const ELEMENT_BYTES: Partial<Record<DType, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
};

const READERS: Partial<Record<DType, (bytes: Uint8Array, out: Float32Array) => void>> = {
  BOOL: (bytes, out) => out.set(bytes),
  U8: (bytes, out) => out.set(bytes),
  I8: (bytes, out) => out.set(new Int8Array(bytes.buffer, bytes.byteOffset, out.length)),
  I16: (bytes, out) => out.set(new Int16Array(bytes.buffer, bytes.byteOffset, out.length)),
  U16: (bytes, out) => out.set(new Uint16Array(bytes.buffer, bytes.byteOffset, out.length)),
  F16: readFloat16,
  BF16: readBfloat16,
  I32: (bytes, out) => out.set(new Int32Array(bytes.buffer, bytes.byteOffset, out.length)),
  U32: (bytes, out) => out.set(new Uint32Array(bytes.buffer, bytes.byteOffset, out.length)),
  F32: (bytes, out) => new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes),
  F64: (bytes, out) => out.set(new Float64Array(bytes.buffer, bytes.byteOffset, out.length)),
  I64: (bytes, out) => readBigInts(new BigInt64Array(bytes.buffer, bytes.byteOffset, out.length), out),
  U64: (bytes, out) => readBigInts(new BigUint64Array(bytes.buffer, bytes.byteOffset, out.length), out),
};

function readBigInts(values: BigInt64Array | BigUint64Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = Number(values[i]);
}

function readBfloat16(bytes: Uint8Array, out: Float32Array): void {
  const target = new Int32Array(out.buffer, out.byteOffset, out.length);
  let done = 0;
  if (bytes.byteOffset % 4 === 0) {
    const pairs = new Int32Array(bytes.buffer, bytes.byteOffset, out.length >> 1);
    for (let i = 0; i < pairs.length; i++) {
      const pair = pairs[i]!;
      target[2 * i] = pair << 16;
      target[2 * i + 1] = pair & 0xffff0000;
    }
    done = pairs.length * 2;
  }
  const source = new Uint16Array(bytes.buffer, bytes.byteOffset, out.length);
  for (let i = done; i < target.length; i++) target[i] = source[i]! << 16;
}

let float16Table: Uint32Array | undefined;

function readFloat16(bytes: Uint8Array, out: Float32Array): void {
  const table = (float16Table ??= Uint32Array.from({ length: 65536 }, (_, bits) => widenFloat16(bits)));
  const source = new Uint16Array(bytes.buffer, bytes.byteOffset, out.length);
  const target = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < target.length; i++) target[i] = table[source[i]!]!;
}

/** Bits of the float32 equal to a float16. */
function widenFloat16(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13); // infinity or NaN
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (mantissa << 13); // bias 15 -> 127
  if (mantissa === 0) return sign;
  const shift = Math.clz32(mantissa) - 21; // subnormal: move the leading one to bit 10
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
}

function mapBits(values: Float32Array, narrow: (bits: number) => number): Uint16Array {
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = narrow(source[i]!);
  return out;
}

function bfloat16Bits(bits: number): number {
  const high = bits >>> 16;
  // A NaN whose payload lies in the lower half only would turn into infinity: give it a payload bit.
  if ((bits & 0x7fffffff) > 0x7f800000) return (high & 0x7f) === 0 ? high | 0x40 : high;
  return (bits + 0x7fff + (high & 1)) >>> 16;
}

function float16Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7c00 | ((magnitude >> 13) & 0x3ff || 0x200); // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // from 65520 on: infinity
  if (magnitude >= 0x38800000) {
    // From 2^-14 on: a normal float16; a carry out of the mantissa moves into the exponent as it should.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13);
  }
  if (magnitude < 0x33000000) return sign; // below half of the smallest subnormal: zero
  const shift = 126 - (magnitude >> 23); // 14 .. 24: the mantissa's bits below 2^-24
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const half = 1 << (shift - 1);
  const odd = (mantissa >> shift) & 1;
  return sign | ((mantissa + half - 1 + odd) >> shift);
}
