/**
 * What Python's `str.isspace` and `re`'s `\s` take for white space. JavaScript's `\s` differs: it has U+FEFF, and
 * lacks U+001C to U+001F and U+0085.
 */
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LEADING = new RegExp(`^[${SPACE}]+`);
const TRAILING = new RegExp(`[${SPACE}]+$`);
const RUN = new RegExp(`[${SPACE}]+`);

/** Python's `str.strip`. */
export function pythonStrip(text: string): string {
  return pythonLeftStrip(pythonRightStrip(text));
}

/** Python's `str.lstrip`. */
export function pythonLeftStrip(text: string): string {
  return text.replace(LEADING, "");
}

/** Python's `str.rstrip`. */
export function pythonRightStrip(text: string): string {
  return text.replace(TRAILING, "");
}

/** Python's `re.split(r"\s+", text)`: white space at an end gives an empty word there. */
export function pythonWords(text: string): string[] {
  return text.split(RUN);
}

/** Python's `str.capitalize`. */
export function pythonCapitalize(text: string): string {
  const [first = ""] = text;
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
}

/** Python's `len`: code points, not UTF-16 units. */
export function codePointLength(text: string): number {
  let length = 0;
  for (const _ of text) length++;
  return length;
}

/** Python's `str` of a float: the shortest digits that read back as the same number. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2"); // two digits of exponent
  }
  const text = String(value); // no exponent between 1e-4 and 1e16
  return text.includes(".") ? text : `${text}.0`;
}

/** Python's `repr` of a string. */
function pythonQuoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = "";
  for (const char of text) {
    if (char === quote || char === "\\") out += `\\${char}`;
    else if (char === "\n") out += "\\n";
    else if (char === "\r") out += "\\r";
    else if (char === "\t") out += "\\t";
    else if (char < " " || (char >= "\x7f" && char < "\xa1") || char === "\xad") {
      out += `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
    } else out += char;
  }
  return quote + out + quote;
}

/** Python's `repr` of a value as JSON has it; whole numbers count as integers. */
export function pythonRepr(value: unknown): string {
  if (typeof value === "string") return pythonQuoted(value);
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : pythonFloat(value);
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(", ")}]`;
  const entries = Object.entries(value as Record<string, unknown>);
  return `{${entries.map(([key, each]) => `${pythonQuoted(key)}: ${pythonRepr(each)}`).join(", ")}}`;
}

/** Python's `str` of a value as JSON has it. */
export function pythonStr(value: unknown): string {
  return typeof value === "string" ? value : pythonRepr(value);
}
