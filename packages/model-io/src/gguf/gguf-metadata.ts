import { FormatError, NotFoundError } from "@sdmprune/core";
import { describeJson } from "../json-object.js";

/** Types of metadata values, in the order of their numbers in the file. */
export const GGUF_VALUE_TYPES = [
  "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "FLOAT32", "BOOL", "STRING", "ARRAY", "UINT64", "INT64", "FLOAT64",
] as const; // prettier-ignore

export type GgufValueType = (typeof GGUF_VALUE_TYPES)[number];
export type GgufScalarType = Exclude<GgufValueType, "ARRAY">;

/** Integers of 64 bits are numbers where they are below 2^53 in size, bigints beyond. */
export type GgufScalar = number | bigint | boolean | string;

/** One metadata value, with the type it has in the file. */
export type GgufValue =
  | { readonly type: GgufScalarType; readonly value: GgufScalar }
  | { readonly type: "ARRAY"; readonly itemType: GgufValueType; readonly value: readonly GgufItem[] };

export type GgufItem = GgufScalar | GgufValue;

/** Metadata of a GGUF file with checked access. Errors name the file and the key. */
export class GgufMetadata {
  constructor(
    private readonly values: ReadonlyMap<string, GgufValue>,
    private readonly where: string,
  ) {}

  keys(): readonly string[] {
    return [...this.values.keys()];
  }

  get(key: string): GgufValue | undefined {
    return this.values.get(key);
  }

  /**
   * A non-negative integer; a list of one and the same integer per layer counts as that integer.
   *
   * @throws {FormatError} If the key is there and is something else.
   */
  integer(key: string): number | undefined {
    const entry = this.values.get(key);
    if (entry === undefined) return undefined;
    const value = entry.type === "ARRAY" ? sameItem(entry.value) : entry.value;
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    const differs = entry.type === "ARRAY" && entry.value.length > 1;
    throw new FormatError(
      `${this.where}: ${key}: expected a non-negative integer${differs ? ", the same for every layer" : ""}, got ${this.describe(key)}.`,
    );
  }

  number(key: string): number | undefined {
    const value = this.values.get(key)?.value;
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new FormatError(`${this.where}: ${key}: expected a number, got ${this.describe(key)}.`);
  }

  string(key: string): string | undefined {
    return this.ofType<string>(key, "string");
  }

  boolean(key: string): boolean | undefined {
    return this.ofType<boolean>(key, "boolean");
  }

  strings(key: string): readonly string[] | undefined {
    return this.list<string>(key, "string");
  }

  numbers(key: string): readonly number[] | undefined {
    return this.list<number>(key, "number");
  }

  /**
   * A value that must be there, from one of the other readers.
   *
   * @throws {NotFoundError} If it is undefined.
   */
  need<T>(key: string, value: T | undefined): T {
    if (value !== undefined) return value;
    throw new NotFoundError(
      `${this.where}: expected the metadata key "${key}", got none. Is the file a whole model?`,
    );
  }

  /** A short form of a value for error messages. */
  describe(key: string): string {
    const entry = this.values.get(key);
    if (entry === undefined) return "nothing";
    if (entry.type === "ARRAY") return `a list of ${entry.value.length} ${entry.itemType}`;
    return typeof entry.value === "bigint" ? String(entry.value) : describeJson(entry.value);
  }

  private ofType<T extends GgufScalar>(key: string, type: "string" | "boolean"): T | undefined {
    const value = this.values.get(key)?.value;
    if (value === undefined || typeof value === type) return value as T | undefined;
    throw new FormatError(`${this.where}: ${key}: expected a ${type}, got ${this.describe(key)}.`);
  }

  private list<T extends GgufScalar>(key: string, type: "string" | "number"): readonly T[] | undefined {
    const entry = this.values.get(key);
    if (entry === undefined) return undefined;
    if (entry.type === "ARRAY" && entry.value.every((item) => typeof item === type)) {
      return entry.value as readonly T[];
    }
    throw new FormatError(`${this.where}: ${key}: expected a list of ${type}s, got ${this.describe(key)}.`);
  }
}

function sameItem(items: readonly GgufItem[]): GgufItem | undefined {
  return items.every((item) => item === items[0]) ? items[0] : undefined;
}
