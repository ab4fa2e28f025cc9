import { FormatError } from "@sdmprune/core";
import type { ByteSource } from "../byte-source.js";
import { describeJson } from "../json-object.js";
import {
  type GgmlType,
  ggmlBytes,
  GGML_TYPE_NAMES,
  ggmlTypeName,
  ggmlTypeOfId,
  ggmlTypeTraits,
} from "./ggml-types.js";
import {
  GGUF_VALUE_TYPES,
  type GgufItem,
  type GgufScalarType,
  type GgufValue,
  type GgufValueType,
} from "./gguf-metadata.js";
import { SourceCursor } from "./source-cursor.js";

/** A tensor of a GGUF file. */
export interface GgufTensorInfo {
  readonly name: string;
  readonly type: GgmlType;
  /** Row-major, as in Hugging Face files: the last dimension is contiguous. GGUF stores them in the other order. */
  readonly shape: readonly number[];
  /** Position of the first byte, from the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** What the first part of a GGUF file says about the rest. */
export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Every tensor, in the order of its bytes in the file. */
  readonly tensors: readonly GgufTensorInfo[];
}

export const GGUF_MAGIC = 0x46554747; // "GGUF", little-endian
export const DEFAULT_ALIGNMENT = 32;
/** The largest vocabularies of today take 20 MB. */
const MAX_HEADER_BYTES = 512 * 2 ** 20;
const MAX_RANK = 4;
const MAX_ARRAY_DEPTH = 4;
const MAX_ALIGNMENT = 2 ** 20;

/**
 * Reads and checks the header of a GGUF file of version 2 or 3
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): types and shapes that this package can read, tensors
 * that lie inside the file and do not overlap.
 *
 * @param where - Name of the file for error messages.
 * @throws {FormatError} If anything is amiss; the message names the key or the tensor.
 */
export async function readGgufHeader(source: ByteSource, where: string): Promise<GgufHeader> {
  const cursor = new SourceCursor(source, where, MAX_HEADER_BYTES);
  const version = await readVersion(cursor, where);
  const numTensors = await cursor.count("number of tensors", 24); // name, rank, a dimension, type, offset
  const numValues = await cursor.count("number of metadata values", 13); // key, type, a byte
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < numValues; i++) {
    const key = await cursor.string(`metadata key ${i}`);
    if (metadata.has(key)) {
      throw new FormatError(`${where}: expected every metadata key once, got ${describeJson(key)} again.`);
    }
    const type = await readValueType(cursor, key, where);
    metadata.set(key, await readValue(cursor, type, key, where, 0));
  }
  const alignment = readAlignment(metadata, where);
  const tensors: GgufTensorInfo[] = [];
  for (let i = 0; i < numTensors; i++) tensors.push(await readTensorInfo(cursor, i, alignment, where));
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  const placed = tensors.map((tensor) => ({ ...tensor, byteOffset: tensor.byteOffset + dataStart }));
  placed.sort((a, b) => a.byteOffset - b.byteOffset);
  checkPlaces(placed, source.size, where);
  return { version, metadata, tensors: placed };
}

async function readVersion(cursor: SourceCursor, where: string): Promise<number> {
  const magic = await cursor.uint32("magic number");
  if (magic !== GGUF_MAGIC) {
    throw new FormatError(
      `${where}: expected a file that starts with "GGUF", got 0x${magic.toString(16).padStart(8, "0")}. Is it a GGUF file?`,
    );
  }
  const version = await cursor.uint32("version");
  if (version === 2 || version === 3) return version;
  const isSwapped = version > 0xffff && (version & 0xffff) === 0;
  const hint = isSwapped
    ? "The file is big-endian, which is not supported"
    : "Make it again with a llama.cpp of today";
  throw new FormatError(`${where}: expected GGUF version 2 or 3, got ${version}. ${hint}.`);
}

async function readValueType(cursor: SourceCursor, key: string, where: string): Promise<GgufValueType> {
  const id = await cursor.uint32(describeJson(key));
  const type = GGUF_VALUE_TYPES[id];
  if (type === undefined) {
    throw new FormatError(
      `${where}: ${describeJson(key)}: expected a value type from 0 to ${GGUF_VALUE_TYPES.length - 1}, got ${id}.`,
    );
  }
  return type;
}

/** Bytes that a value takes at least. */
const VALUE_BYTES: Readonly<Record<GgufValueType, number>> = {
  UINT8: 1, INT8: 1, UINT16: 2, INT16: 2, UINT32: 4, INT32: 4, FLOAT32: 4, BOOL: 1, STRING: 8, ARRAY: 12, UINT64: 8, INT64: 8, FLOAT64: 8,
}; // prettier-ignore

async function readValue(
  cursor: SourceCursor,
  type: GgufValueType,
  key: string,
  where: string,
  depth: number,
): Promise<GgufValue> {
  if (type !== "ARRAY") return { type, value: await readScalar(cursor, type, key) };
  if (depth === MAX_ARRAY_DEPTH) {
    throw new FormatError(
      `${where}: ${describeJson(key)}: expected at most ${MAX_ARRAY_DEPTH} nested lists, got more.`,
    );
  }
  const itemType = await readValueType(cursor, key, where);
  const length = await cursor.count(describeJson(key), VALUE_BYTES[itemType]);
  const value: GgufItem[] = [];
  for (let i = 0; i < length; i++) {
    value.push(
      itemType === "ARRAY"
        ? await readValue(cursor, itemType, key, where, depth + 1)
        : await readScalar(cursor, itemType, key),
    );
  }
  return { type, itemType, value };
}

async function readScalar(
  cursor: SourceCursor,
  type: GgufScalarType,
  key: string,
): Promise<number | bigint | boolean | string> {
  const what = describeJson(key);
  if (type === "STRING") return cursor.string(what);
  const view = await cursor.bytes(VALUE_BYTES[type], what);
  switch (type) {
    case "UINT8":
      return view.getUint8(0);
    case "INT8":
      return view.getInt8(0);
    case "UINT16":
      return view.getUint16(0, true);
    case "INT16":
      return view.getInt16(0, true);
    case "UINT32":
      return view.getUint32(0, true);
    case "INT32":
      return view.getInt32(0, true);
    case "FLOAT32":
      return view.getFloat32(0, true);
    case "FLOAT64":
      return view.getFloat64(0, true);
    case "BOOL":
      return view.getUint8(0) !== 0;
    case "UINT64":
      return plainInteger(view.getBigUint64(0, true));
    case "INT64":
      return plainInteger(view.getBigInt64(0, true));
  }
}

function plainInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function readAlignment(metadata: ReadonlyMap<string, GgufValue>, where: string): number {
  const value = metadata.get("general.alignment")?.value ?? DEFAULT_ALIGNMENT;
  const isPowerOfTwo =
    typeof value === "number" && value >= 1 && value <= MAX_ALIGNMENT && Number.isInteger(Math.log2(value));
  if (isPowerOfTwo) return value;
  throw new FormatError(
    `${where}: general.alignment: expected a power of two up to ${MAX_ALIGNMENT}, got another value.`,
  );
}

/** One entry of the table of tensors; its offset still counts from the start of the data. */
async function readTensorInfo(
  cursor: SourceCursor,
  index: number,
  alignment: number,
  file: string,
): Promise<GgufTensorInfo> {
  const name = await cursor.string(`name of tensor ${index}`);
  const where = `${file}: tensor ${describeJson(name)}`;
  const rank = await cursor.uint32(`tensor ${describeJson(name)}`);
  if (rank < 1 || rank > MAX_RANK) {
    throw new FormatError(`${where}: expected 1 to ${MAX_RANK} dimensions, got ${rank}.`);
  }
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) {
    const size = (await cursor.bytes(8, `tensor ${describeJson(name)}`)).getBigUint64(0, true);
    if (size < 1n || size > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new FormatError(`${where}: expected dimensions from 1 to 2^53, got ${size}.`);
    }
    shape.unshift(Number(size)); // the file has the contiguous dimension first
  }
  const id = await cursor.uint32(`tensor ${describeJson(name)}`);
  const offset = (await cursor.bytes(8, `tensor ${describeJson(name)}`)).getBigUint64(0, true);
  const type = ggmlTypeOfId(id);
  if (type === undefined) {
    throw new FormatError(
      `${where}: expected a type of ${GGML_TYPE_NAMES.join(", ")}, got ${ggmlTypeName(id)}. Take a file in one of these, or make one with llama-quantize --allow-requantize.`,
    );
  }
  const byteLength = tensorBytes(type, shape, where);
  if (offset % BigInt(alignment) !== 0n || offset > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FormatError(`${where}: expected an offset that is a multiple of ${alignment}, got ${offset}.`);
  }
  return { name, type, shape, byteOffset: Number(offset), byteLength };
}

function tensorBytes(type: GgmlType, shape: readonly number[], where: string): number {
  const { blockSize } = ggmlTypeTraits(type);
  const rowLength = shape.at(-1)!;
  if (rowLength % blockSize !== 0) {
    throw new FormatError(
      `${where}: expected rows of whole blocks of ${blockSize} (${type}), got ${rowLength} elements.`,
    );
  }
  const numElements = shape.reduce((size, dimension) => size * dimension, 1);
  if (!Number.isSafeInteger(numElements * 8)) {
    throw new FormatError(`${where}: expected a size below 2^53 bits, got shape [${shape.join(", ")}].`);
  }
  return ggmlBytes(type, numElements);
}

/** Refuses tensors that stand twice, overlap, or reach past the end of the file. */
function checkPlaces(tensors: readonly GgufTensorInfo[], size: number, where: string): void {
  const seen = new Set<string>();
  let end = 0;
  for (const { name, byteOffset, byteLength } of tensors) {
    const tensor = `${where}: tensor ${describeJson(name)}`;
    if (seen.has(name)) throw new FormatError(`${tensor}: expected every tensor name once, got it again.`);
    seen.add(name);
    if (byteOffset < end) {
      throw new FormatError(
        `${tensor} overlaps the one before it: expected it to start at byte ${end} or later, got ${byteOffset}.`,
      );
    }
    end = byteOffset + byteLength;
    if (end > size) {
      throw new FormatError(
        `${tensor} ends at byte ${end}, past the end of the file (${size} bytes). Is the file cut off?`,
      );
    }
  }
}
