import { FormatError } from "@sdmprune/core";
import { endOfJsonString, type JsonValue, parseJsonObject } from "./json-object.js";

/**
 * Changes top-level keys of a `config.json` and leaves every other character as it is: key order, unknown
 * keys, the two forms of rotary and dtype settings, and numbers such as `10000.0`, which Python readers
 * tell from `10000` and `JSON.stringify` does not. New keys go to the end.
 *
 * @param text - The file's text.
 * @param edits - New values; `undefined` removes the key.
 * @param where - Name of the file for error messages.
 * @throws {FormatError} If the text is not a JSON object.
 */
export function editConfig(
  text: string,
  edits: Readonly<Record<string, JsonValue | undefined>>,
  where = "config.json",
): string {
  parseJsonObject(text, where); // from here on the text is known to be valid
  const members = findMembers(text);
  const known = new Set(members.map(({ key }) => key));
  const kept = members
    .filter(({ key }) => !Object.hasOwn(edits, key) || edits[key] !== undefined)
    .map(({ key, name, value }) => {
      const edit = Object.hasOwn(edits, key) ? edits[key] : undefined;
      return `${name}${edit === undefined ? value : formatValue(edit)}`;
    });
  for (const [key, value] of Object.entries(edits)) {
    if (value !== undefined && !known.has(key)) kept.push(`${JSON.stringify(key)}: ${formatValue(value)}`);
  }
  const open = text.indexOf("{");
  const close = text.lastIndexOf("}");
  const first = members[0];
  // The white space between members is that before the first one: a line break and its indentation, or none.
  const gap = first === undefined ? "\n  " : text.slice(open + 1, first.start);
  const last = members.at(-1);
  const tail = last === undefined ? "\n" : text.slice(last.end, close);
  const body = kept.length === 0 ? "" : gap + kept.join(`,${gap}`) + tail;
  const edited = `${text.slice(0, open + 1)}${body}${text.slice(close)}`;
  parseJsonObject(edited, where);
  return edited;
}

interface Member {
  key: string;
  /** The key with its quotes, the colon and the white space up to the value. */
  name: string;
  /** The value's own text. */
  value: string;
  start: number;
  end: number;
}

/** The members of the outermost object of valid JSON. */
function findMembers(text: string): Member[] {
  const members: Member[] = [];
  let i = text.indexOf("{") + 1;
  for (;;) {
    i = skipSpace(text, i);
    if (text[i] === ",") i = skipSpace(text, i + 1);
    if (text[i] === "}") return members;
    const start = i;
    const keyEnd = endOfJsonString(text, start);
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1); // after the colon
    const end = endOfValue(text, valueStart);
    members.push({
      key: JSON.parse(text.slice(start, keyEnd)) as string,
      name: text.slice(start, valueStart),
      value: text.slice(valueStart, end),
      start,
      end,
    });
    i = end;
  }
}

function skipSpace(text: string, start: number): number {
  let i = start;
  while (/[\s]/.test(text[i] ?? "")) i++;
  return i;
}

function endOfValue(text: string, start: number): number {
  if (text[start] === '"') return endOfJsonString(text, start);
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    const character = text[i]!;
    if (character === '"') {
      i = endOfJsonString(text, i) - 1;
    } else if (character === "{" || character === "[") {
      depth++;
    } else if (character === "}" || character === "]") {
      if (depth === 0) return i; // a number or literal, ended by the outer object
      if (--depth === 0) return i + 1;
    } else if (depth === 0 && /[\s,]/.test(character)) {
      return i;
    }
  }
  throw new FormatError("config.json: expected the end of a value, got the end of the text.");
}

/** A value in the indentation of a member, as Python's `json.dump(indent=2)` prints it. */
function formatValue(value: JsonValue): string {
  return JSON.stringify(value, null, 2).replaceAll("\n", "\n  ");
}
