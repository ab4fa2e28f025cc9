/**
 * Q4_K, 144 bytes for 256 elements: scale and scale of the minima (float16), twelve bytes of eight 6-bit scales and
 * eight 6-bit minima, then nibbles, 64 elements to 32 bytes.
 */
export function dequantizeQ4K(bytes: Uint8Array, scales: Float32Array, out: Float32Array): void {
  for (let place = 0, o = 0; o < out.length; place += 144) {
    const scale = scales[place >> 1]!;
    const minScale = scales[(place >> 1) + 1]!;
    const packed = place + 4;
    for (let group = 0; group < 8; group++) {
      const isLow = group < 4;
      const a = bytes[packed + (isLow ? group : group - 4)]!;
      const b = bytes[packed + 4 + (isLow ? group : group - 4)]!;
      const c = bytes[packed + 4 + group]!; // only of the upper four
      const groupScale = scale * (isLow ? a & 63 : (c & 15) | ((a >> 6) << 4));
      const min = minScale * (isLow ? b & 63 : (c >> 4) | ((b >> 6) << 4));
      const nibbles = place + 16 + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let i = 0; i < 32; i++) out[o++] = groupScale * ((bytes[nibbles + i]! >> shift) & 15) - min;
    }
  }
}

/**
 * Q6_K, 210 bytes for 256 elements: 128 bytes of low nibbles, 64 of upper bit pairs, sixteen signed scales of 16
 * elements each, and a float16 scale of them.
 */
export function dequantizeQ6K(bytes: Uint8Array, scales: Float32Array, out: Float32Array): void {
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let place = 0, o = 0; o < out.length; place += 210, o += 256) {
    const scale = scales[(place + 208) >> 1]!;
    for (let group = 0; group < 8; group++) {
      // Groups of 32: two halves of 128 elements, each of 64 low-nibble bytes and 32 bit-pair bytes.
      const half = group >> 2;
      const part = group & 3;
      const low = place + half * 64 + (part & 1) * 32;
      const lowShift = (part >> 1) * 4;
      const high = place + 128 + half * 32;
      for (let i = 0; i < 32; i++) {
        const quant = ((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> (part * 2)) & 3) << 4);
        const groupScale = scale * signed[place + 192 + group * 2 + (i >> 4)]!;
        out[o + group * 32 + i] = groupScale * (quant - 32);
      }
    }
  }
}
