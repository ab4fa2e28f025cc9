/**
 * Reorders the rows of q_proj or k_proj within every head between the two conventions of rotary pairs: GGUF's llama
 * architecture rotates rows `(2k, 2k + 1)` together, Hugging Face `(k, k + D/2)`.
 *
 * Shapes: `N` = heads (those of the keys for k_proj), `D` = rows of a head.
 *
 * @param bytes - Rows of equal length; `[N * D, …]`.
 * @returns A new array.
 */
export function reorderRotaryRows(
  bytes: Uint8Array,
  numHeads: number,
  headDim: number,
  to: "hf" | "gguf",
): Uint8Array {
  const rowBytes = bytes.byteLength / (numHeads * headDim);
  const half = headDim / 2;
  const out = new Uint8Array(bytes.byteLength);
  for (let head = 0; head < numHeads; head++) {
    for (let row = 0; row < headDim; row++) {
      const hf = head * headDim + row;
      const gguf = head * headDim + (row % half) * 2 + (row < half ? 0 : 1);
      const [source, target] = to === "hf" ? [gguf, hf] : [hf, gguf];
      out.set(bytes.subarray(source * rowBytes, (source + 1) * rowBytes), target * rowBytes);
    }
  }
  return out;
}
