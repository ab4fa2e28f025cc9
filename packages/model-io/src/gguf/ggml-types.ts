/** Element types of GGUF tensors that can be read here: number in the file, elements and bytes of a block. */
const GGML_TYPES = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
  Q4_1: { id: 3, blockSize: 32, blockBytes: 20 },
  Q5_0: { id: 6, blockSize: 32, blockBytes: 22 },
  Q5_1: { id: 7, blockSize: 32, blockBytes: 24 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  Q4_K: { id: 12, blockSize: 256, blockBytes: 144 },
  Q6_K: { id: 14, blockSize: 256, blockBytes: 210 },
  BF16: { id: 30, blockSize: 1, blockBytes: 2 },
} as const;

/** Element type of a tensor in a GGUF file. */
export type GgmlType = keyof typeof GGML_TYPES;

export const GGML_TYPE_NAMES = Object.keys(GGML_TYPES) as readonly GgmlType[];

/** Types that GGUF files of today hold and this package does not read, for messages. */
const OTHER_TYPES: Readonly<Record<number, string>> = {
  9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 13: "Q5_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
  20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M",
  34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}; // prettier-ignore

const BY_ID = new Map<number, GgmlType>(GGML_TYPE_NAMES.map((name) => [GGML_TYPES[name].id, name]));

export function ggmlTypeOfId(id: number): GgmlType | undefined {
  return BY_ID.get(id);
}

/** The name of a type by its number in the file, known or not. */
export function ggmlTypeName(id: number): string {
  return BY_ID.get(id) ?? OTHER_TYPES[id] ?? `type ${id}`;
}

/** Number in the file, and elements and bytes of one block. */
export function ggmlTypeTraits(type: GgmlType): { id: number; blockSize: number; blockBytes: number } {
  return GGML_TYPES[type];
}

/** Bytes of `numElements` elements, which must be whole blocks. */
export function ggmlBytes(type: GgmlType, numElements: number): number {
  const { blockSize, blockBytes } = GGML_TYPES[type];
  return (numElements / blockSize) * blockBytes;
}
