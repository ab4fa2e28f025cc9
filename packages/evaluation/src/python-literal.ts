import { FormatError } from "@sdmprune/core";

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
  v: "\v",
  a: "\x07",
  "0": "\0",
  "\n": "",
};

/**
 * Reads a Python literal, as `ast.literal_eval` does: strings, numbers, `True`, `False`, `None`, lists, tuples and
 * dicts with string keys, nested. JSON's `true`, `false` and `null` are read, too.
 *
 * @param where - What the text is, for messages.
 * @throws {FormatError} If the text is no such literal.
 */
export function parsePythonLiteral(text: string, where: string): unknown {
  const reader = new LiteralReader(text, where);
  const value = reader.value();
  reader.end();
  return value;
}

class LiteralReader {
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly where: string,
  ) {}

  value(): unknown {
    this.#skipSpace();
    const char = this.text[this.#at];
    if (char === "[") return this.#list("[", "]");
    if (char === "(") return this.#list("(", ")");
    if (char === "{") return this.#dict();
    if (char === "'" || char === '"') return this.#strings();
    const word = /^[A-Za-z]+/.exec(this.text.slice(this.#at, this.#at + 10))?.[0];
    const named = word === undefined ? undefined : NAMED.get(word);
    if (word !== undefined && named !== undefined) {
      this.#at += word.length;
      return named.value;
    }
    const number = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?/.exec(
      this.text.slice(this.#at, this.#at + 40),
    )?.[0];
    if (number !== undefined) {
      this.#at += number.length;
      return Number(number);
    }
    return this.#fail("a value");
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.text.length) this.#fail("the end");
  }

  #list(open: string, close: string): unknown[] {
    this.#expect(open);
    const items: unknown[] = [];
    while (!this.#isNext(close)) {
      items.push(this.value());
      if (!this.#isNext(close)) this.#expect(",");
    }
    this.#expect(close);
    return items;
  }

  #dict(): Record<string, unknown> {
    this.#expect("{");
    const entries: [string, unknown][] = [];
    while (!this.#isNext("}")) {
      const key = this.value();
      if (typeof key !== "string") return this.#fail("a string as key");
      this.#expect(":");
      entries.push([key, this.value()]);
      if (!this.#isNext("}")) this.#expect(",");
    }
    this.#expect("}");
    return Object.fromEntries(entries);
  }

  /** One string, or several side by side, which Python joins. */
  #strings(): string {
    let out = "";
    while (this.#isNext("'") || this.#isNext('"')) out += this.#string();
    return out;
  }

  #string(): string {
    const quote = this.text[this.#at++]!;
    let out = "";
    for (;;) {
      const char = this.text[this.#at++];
      if (char === undefined) return this.#fail(`the closing ${quote}`);
      if (char === quote) return out;
      out += char === "\\" ? this.#escape() : char;
    }
  }

  #escape(): string {
    const char = this.text[this.#at++] ?? "";
    const numDigits = { x: 2, u: 4, U: 8 }[char];
    if (numDigits === undefined) return ESCAPES[char] ?? (/['"\\/]/.test(char) ? char : `\\${char}`);
    const digits = this.text.slice(this.#at, this.#at + numDigits);
    if (!/^[\da-f]+$/i.test(digits) || digits.length < numDigits)
      return this.#fail(`${numDigits} hexadecimal digits`);
    this.#at += numDigits;
    const code = parseInt(digits, 16);
    return code > 0x10ffff ? this.#fail("a code point") : String.fromCodePoint(code);
  }

  #isNext(char: string): boolean {
    this.#skipSpace();
    return this.text[this.#at] === char;
  }

  #expect(char: string): void {
    if (!this.#isNext(char)) this.#fail(`"${char}"`);
    this.#at++;
  }

  #skipSpace(): void {
    while (/\s/.test(this.text[this.#at] ?? "")) this.#at++;
  }

  #fail(expected: string): never {
    const rest = this.text.slice(this.#at, this.#at + 20);
    throw new FormatError(
      `${this.where}: expected ${expected} at character ${this.#at + 1} of a Python literal, got ${rest === "" ? "its end" : JSON.stringify(rest)}.`,
    );
  }
}

const NAMED = new Map<string, { value: unknown }>([
  ["True", { value: true }],
  ["true", { value: true }],
  ["False", { value: false }],
  ["false", { value: false }],
  ["None", { value: null }],
  ["null", { value: null }],
]);
