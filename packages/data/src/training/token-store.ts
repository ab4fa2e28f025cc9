const CHUNK_TOKENS = 1 << 20;

/**
 * Token ids of many rows in little memory: 2 bytes a token for vocabularies of up to 65,536, else 4, in chunks of
 * 1 Mi tokens so that growing copies nothing, and about 40 bytes a row.
 */
export class TokenStore {
  readonly #chunks: (Uint16Array | Int32Array)[] = [];
  readonly #starts: number[] = [0];
  readonly #promptLengths: number[] = [];
  readonly #isSplittable: boolean[] = [];
  readonly #names = new NumberedNames();

  /** @param vocabSize - Every id is below. */
  constructor(readonly vocabSize: number) {}

  get numRows(): number {
    return this.#promptLengths.length;
  }

  get numTokens(): number {
    return this.#starts.at(-1)!;
  }

  /**
   * @param promptLength - Tokens at the start that no loss is on.
   * @param isSplittable - Whether packing may cut the row.
   */
  push(id: string, ids: readonly number[], promptLength: number, isSplittable: boolean): void {
    let at = this.numTokens;
    for (const token of ids) {
      const offset = at % CHUNK_TOKENS;
      if (offset === 0) {
        this.#chunks.push(
          this.vocabSize <= 1 << 16 ? new Uint16Array(CHUNK_TOKENS) : new Int32Array(CHUNK_TOKENS),
        );
      }
      this.#chunks.at(-1)![offset] = token;
      at++;
    }
    this.#starts.push(at);
    this.#promptLengths.push(promptLength);
    this.#isSplittable.push(isSplittable);
    this.#names.push(id);
  }

  /** What messages call the row: `file: row n`. */
  name(row: number): string {
    return this.#names.at(row);
  }

  length(row: number): number {
    return this.#starts[row + 1]! - this.#starts[row]!;
  }

  promptLength(row: number): number {
    return this.#promptLengths[row]!;
  }

  isSplittable(row: number): boolean {
    return this.#isSplittable[row]!;
  }

  /** Copies `length` ids of the row, from `offset` on, to `into` at `at`. */
  copy(row: number, offset: number, length: number, into: Int32Array, at: number): void {
    let from = this.#starts[row]! + offset;
    const end = from + length;
    while (from < end) {
      const start = from % CHUNK_TOKENS;
      const part = Math.min(end - from, CHUNK_TOKENS - start);
      into.set(this.#chunks[Math.floor(from / CHUNK_TOKENS)]!.subarray(start, start + part), at);
      from += part;
      at += part;
    }
  }
}

/** Names that end with a number, as rows of a file do, each beginning kept once. */
class NumberedNames {
  readonly #beginnings: string[] = [];
  readonly #indices = new Map<string, number>();
  readonly #names: number[] = []; // pairs: index of the beginning, number

  push(name: string): void {
    const [, beginning = name, digits = ""] = /^(.*?)(\d{0,15})$/s.exec(name) ?? [];
    const isNumbered = digits !== "" && String(Number(digits)) === digits;
    const key = isNumbered ? beginning : name;
    let index = this.#indices.get(key);
    if (index === undefined) {
      index = this.#beginnings.push(key) - 1;
      this.#indices.set(key, index);
    }
    this.#names.push(index, isNumbered ? Number(digits) : -1);
  }

  at(row: number): string {
    const beginning = this.#beginnings[this.#names[2 * row]!]!;
    const number = this.#names[2 * row + 1]!;
    return number < 0 ? beginning : `${beginning}${number}`;
  }
}
