import { FormatError } from "@sdmprune/core";
import { fromFloat32 } from "../float-conversion.js";

const BLOCK = 32;
/** Its scale is the largest float16. */
const LARGEST = 65504 * 127;

/**
 * Q8_0 blocks of float32 values, bit for bit those of Python's `gguf.quants.quantize` and ggml's reference: scale
 * `max|x| / 127` as float16, quants `x * (1 / scale)` rounded half away from zero.
 *
 * @param values - Whole blocks of 32.
 * @throws {FormatError} If they are not whole, or a value is not finite or too large for a float16 scale.
 */
export function quantizeQ80(values: Float32Array): Uint8Array {
  const numBlocks = values.length / BLOCK;
  if (!Number.isInteger(numBlocks)) {
    throw new FormatError(`quantizeQ80: expected a multiple of ${BLOCK} values, got ${values.length}.`);
  }
  const out = new Uint8Array(numBlocks * 34);
  const signed = new Int8Array(out.buffer);
  const scales = new Float32Array(numBlocks);
  for (let block = 0; block < numBlocks; block++) {
    let largest = 0;
    for (let i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
      const size = Math.abs(values[i]!);
      if (!(size <= LARGEST)) {
        throw new FormatError(
          `quantizeQ80: expected values of a size up to ${LARGEST}, got ${values[i]} at ${i}.`,
        );
      }
      if (size > largest) largest = size;
    }
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    scales[block] = scale;
    for (let i = 0; i < BLOCK; i++) {
      const scaled = Math.fround(values[block * BLOCK + i]! * inverse);
      const size = Math.abs(scaled);
      const whole = Math.floor(size);
      const rounded = whole + (size - whole >= 0.5 ? 1 : 0);
      signed[block * 34 + 2 + i] = scaled < 0 ? -rounded : rounded;
    }
  }
  const halves = fromFloat32(scales, "F16");
  for (let block = 0; block < numBlocks; block++) {
    out[block * 34] = halves[block * 2]!;
    out[block * 34 + 1] = halves[block * 2 + 1]!;
  }
  return out;
}
