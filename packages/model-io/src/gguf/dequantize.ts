import { FormatError } from "@sdmprune/core";
import { toFloat32 } from "../float-conversion.js";
import { dequantizeQ4K, dequantizeQ6K } from "./dequantize-k-blocks.js";
import { type GgmlType, ggmlTypeTraits } from "./ggml-types.js";

/** Writes the elements of whole blocks. `scales` gives each 2-byte place of `bytes` read as a float16. */
export type DequantizeBlocks = (bytes: Uint8Array, scales: Float32Array, out: Float32Array) => void;

/**
 * The float32 values of GGUF blocks, bit for bit those of Python's `gguf.quants.dequantize`
 * (ggml-quants.c): products of a float16 scale and a small integer are exact in float64, so that the one rounding is
 * that of the store into a float32.
 *
 * @param bytes - Whole blocks.
 * @throws {FormatError} If they are not whole.
 */
export function dequantize(bytes: Uint8Array, type: GgmlType): Float32Array {
  if (type === "F32" || type === "F16" || type === "BF16") return toFloat32(bytes, type);
  const { blockSize, blockBytes } = ggmlTypeTraits(type);
  const numBlocks = bytes.byteLength / blockBytes;
  if (!Number.isInteger(numBlocks)) {
    throw new FormatError(
      `dequantize: expected whole blocks of ${blockBytes} bytes (${type}), got ${bytes.byteLength} bytes.`,
    );
  }
  const out = new Float32Array(numBlocks * blockSize);
  BLOCKS[type](bytes, toFloat32(bytes, "F16"), out);
  return out;
}

const BLOCKS: Readonly<Record<Exclude<GgmlType, "F32" | "F16" | "BF16">, DequantizeBlocks>> = {
  Q8_0: dequantizeQ80,
  Q4_0: (bytes, scales, out) =>
    dequantizeNibbles(bytes, scales, out, { blockBytes: 18, hasMin: false, hasHigh: false }),
  Q4_1: (bytes, scales, out) =>
    dequantizeNibbles(bytes, scales, out, { blockBytes: 20, hasMin: true, hasHigh: false }),
  Q5_0: (bytes, scales, out) =>
    dequantizeNibbles(bytes, scales, out, { blockBytes: 22, hasMin: false, hasHigh: true }),
  Q5_1: (bytes, scales, out) =>
    dequantizeNibbles(bytes, scales, out, { blockBytes: 24, hasMin: true, hasHigh: true }),
  Q4_K: dequantizeQ4K,
  Q6_K: dequantizeQ6K,
};

/** Block: scale, 32 signed bytes. */
function dequantizeQ80(bytes: Uint8Array, scales: Float32Array, out: Float32Array): void {
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let place = 0, o = 0; o < out.length; place += 34) {
    const scale = scales[place >> 1]!;
    for (let i = 0; i < 32; i++) out[o++] = scale * signed[place + 2 + i]!;
  }
}

interface NibbleLayout {
  readonly blockBytes: number;
  /** A minimum follows the scale and is added; else the middle of the range is subtracted. */
  readonly hasMin: boolean;
  /** 32 fifth bits stand before the nibbles. */
  readonly hasHigh: boolean;
}

/** Block: scale, minimum, high bits, then 16 bytes whose low nibbles are elements 0-15 and high ones 16-31. */
function dequantizeNibbles(
  bytes: Uint8Array,
  scales: Float32Array,
  out: Float32Array,
  layout: NibbleLayout,
): void {
  const { blockBytes, hasMin, hasHigh } = layout;
  const highPlace = hasMin ? 4 : 2;
  const nibblePlace = highPlace + (hasHigh ? 4 : 0);
  const middle = hasMin ? 0 : hasHigh ? 16 : 8;
  for (let place = 0, o = 0; o < out.length; place += blockBytes, o += 32) {
    const scale = scales[place >> 1]!;
    const min = hasMin ? scales[(place >> 1) + 1]! : -0; // adding -0 changes nothing, where +0 would change a -0
    const h = place + highPlace;
    const high = hasHigh
      ? bytes[h]! | (bytes[h + 1]! << 8) | (bytes[h + 2]! << 16) | (bytes[h + 3]! << 24)
      : 0;
    for (let i = 0; i < 16; i++) {
      const nibbles = bytes[place + nibblePlace + i]!;
      const low = (nibbles & 15) | (((high >>> i) & 1) << 4);
      const upper = (nibbles >> 4) | (((high >>> (i + 16)) & 1) << 4);
      out[o + i] = scale * (low - middle) + min;
      out[o + i + 16] = scale * (upper - middle) + min;
    }
  }
}
