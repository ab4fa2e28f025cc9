import { FormatError } from "@sdmprune/core";
import type { ByteSource } from "./byte-source.js";
import { type DType, isDType, tensorByteLength } from "./dtype.js";
import {
  decodeUtf8,
  describeJson,
  isJsonObject,
  type JsonValue,
  parseJsonObject,
  previewJson,
} from "./json-object.js";

/** Where a tensor lies in a safetensors file. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Position of the first byte, from the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** What the first part of a safetensors file says about the rest. */
export interface SafetensorsHeader {
  /** The `__metadata__` strings; empty when the file has none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every tensor, in the order of its bytes in the file. */
  readonly tensors: readonly TensorInfo[];
}

const MAX_HEADER_BYTES = 100_000_000; // the Python library's limit
const MAX_RANK = 64;

/**
 * Reads and checks the header of a safetensors file
 * (https://huggingface.co/docs/safetensors/index#format): the tensors must fill the file without holes or
 * overlaps, and every size must follow from type and shape.
 *
 * @param where - Name of the file for error messages.
 * @throws {FormatError} If anything is amiss; the message names the tensor.
 */
export async function readSafetensorsHeader(source: ByteSource, where: string): Promise<SafetensorsHeader> {
  if (source.size < 8) {
    throw new FormatError(`${where}: expected a safetensors file of at least 8 bytes, got ${source.size}.`);
  }
  const prefix = await source.read(0, 8);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new FormatError(
      `${where}: expected a header of at most ${MAX_HEADER_BYTES} bytes, got ${length}. Is it a safetensors file?`,
    );
  }
  const headerBytes = Number(length);
  if (8 + headerBytes > source.size) {
    throw new FormatError(
      `${where}: expected a header of ${headerBytes} bytes, got a file of ${source.size}. Is it cut off?`,
    );
  }
  const text = decodeUtf8(await source.read(8, headerBytes), `${where}: header`);
  if (!text.startsWith("{")) {
    throw new FormatError(`${where}: expected a header that starts with "{", got ${describeJson(text[0])}.`);
  }
  const { __metadata__: metadata, ...entries } = parseJsonObject(text, `${where}: header`);
  const dataStart = 8 + headerBytes;
  const tensors = Object.entries(entries).map(([name, entry]) => parseEntry(name, entry, dataStart, where));
  tensors.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  checkCoverage(tensors, dataStart, source.size, where);
  return { metadata: parseMetadata(metadata, where), tensors };
}

function parseMetadata(value: JsonValue | undefined, where: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (!isJsonObject(value) || Object.values(value).some((text) => typeof text !== "string")) {
    throw new FormatError(`${where}: expected "__metadata__" to map strings to strings, got something else.`);
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, entry: JsonValue, dataStart: number, file: string): TensorInfo {
  const where = `${file}: tensor ${describeJson(name)}`;
  if (!isJsonObject(entry))
    throw new FormatError(`${where}: expected an object, got ${describeJson(entry)}.`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDType(dtype)) throw new FormatError(`${where}: expected a known dtype, got ${describeJson(dtype)}.`);
  if (!isIntegerList(shape) || shape.length > MAX_RANK) {
    throw new FormatError(`${where}: expected a shape of non-negative integers, got ${previewJson(shape)}.`);
  }
  if (!isIntegerList(offsets) || offsets.length !== 2) {
    throw new FormatError(
      `${where}: expected data_offsets of two non-negative integers, got ${previewJson(offsets)}.`,
    );
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) {
    throw new FormatError(`${where}: expected data_offsets in order, got [${begin}, ${end}].`);
  }
  const byteLength = tensorByteLength(dtype, shape, where);
  if (end - begin !== byteLength) {
    throw new FormatError(
      `${where}: expected ${byteLength} bytes (${dtype}, shape [${shape.join(", ")}]), got data_offsets [${begin}, ${end}].`,
    );
  }
  return { name, dtype, shape, byteOffset: dataStart + begin, byteLength };
}

/** Refuses holes, overlaps and anything before, between or behind the tensors' bytes. */
function checkCoverage(tensors: readonly TensorInfo[], start: number, size: number, where: string): void {
  let position = start;
  for (const { name, byteOffset, byteLength } of tensors) {
    const tensor = `${where}: tensor ${describeJson(name)}`;
    if (byteOffset + byteLength > size) {
      throw new FormatError(
        `${tensor} ends at byte ${byteOffset + byteLength}, past the end of the file (${size} bytes). Is the file cut off?`,
      );
    }
    if (byteOffset !== position) {
      const what = byteOffset < position ? "overlaps the one before it" : "leaves a hole before it";
      throw new FormatError(
        `${tensor} ${what}: expected it to start at byte ${position}, got ${byteOffset}.`,
      );
    }
    position += byteLength;
  }
  if (position !== size) {
    throw new FormatError(`${where}: expected ${position} bytes, as its header says, got ${size}.`);
  }
}

function isIntegerList(value: JsonValue | undefined): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}
