import { FormatError } from "@sdmprune/core";
import { describeJson, isJsonObject, type JsonObject, type JsonValue, previewJson } from "./json-object.js";

/** What a field must be; with a `?` it may be absent or null. */
type FieldKind =
  "string" | "boolean" | "integer" | "pattern" | "behavior" | "token" | "template" | "object" | "steps";
type Fields = Readonly<Record<string, FieldKind | `${FieldKind}?`>>;

/**
 * The steps that the tokenizer library has, with the fields they read. Other steps, and fields of the wrong
 * kind, it takes in silence and gives other ids than Python does.
 */
const STEPS: Readonly<Record<string, Readonly<Record<string, Fields>>>> = {
  normalizer: {
    Sequence: { normalizers: "steps" },
    BertNormalizer: {
      clean_text: "boolean?",
      handle_chinese_chars: "boolean?",
      strip_accents: "boolean?",
      lowercase: "boolean?",
    },
    Precompiled: { precompiled_charsmap: "string" },
    Replace: { pattern: "pattern", content: "string" },
    Prepend: { prepend: "string" },
    Strip: { strip_left: "boolean", strip_right: "boolean" },
    NFC: {},
    NFD: {},
    NFKC: {},
    NFKD: {},
    StripAccents: {},
    Lowercase: {},
  },
  pre_tokenizer: {
    Sequence: { pretokenizers: "steps" },
    ByteLevel: { add_prefix_space: "boolean?", trim_offsets: "boolean?", use_regex: "boolean?" },
    Split: { pattern: "pattern", behavior: "behavior", invert: "boolean?" },
    Metaspace: { replacement: "string", prepend_scheme: "string?", split: "boolean?" },
    Digits: { individual_digits: "boolean?" },
    Punctuation: { behavior: "string?" },
    Replace: { pattern: "pattern", content: "string" },
    FixedLength: { length: "integer" },
    BertPreTokenizer: {},
    Whitespace: {},
    WhitespaceSplit: {},
  },
  post_processor: {
    Sequence: { processors: "steps" },
    TemplateProcessing: { single: "template", pair: "template?", special_tokens: "object?" },
    BertProcessing: { cls: "token", sep: "token" },
    RobertaProcessing: { cls: "token", sep: "token" },
    ByteLevel: { add_prefix_space: "boolean?", trim_offsets: "boolean?", use_regex: "boolean?" },
  },
  decoder: {
    Sequence: { decoders: "steps" },
    Replace: { pattern: "pattern", content: "string" },
    Strip: { content: "string", start: "integer", stop: "integer" },
    Metaspace: { replacement: "string", prepend_scheme: "string?", split: "boolean?" },
    ByteLevel: { add_prefix_space: "boolean?", trim_offsets: "boolean?", use_regex: "boolean?" },
    WordPiece: { prefix: "string", cleanup: "boolean?" },
    BPEDecoder: { suffix: "string?" },
    CTC: { pad_token: "string", word_delimiter_token: "string", cleanup: "boolean?" },
    Fuse: {},
    ByteFallback: {},
  },
};

/**
 * Checks the four processing steps of a `tokenizer.json`.
 *
 * @param idOf - The id of a token of the vocabulary, added tokens included.
 * @param where - Name of the file for error messages.
 * @throws {FormatError} If a step is unknown or has a field of the wrong kind.
 */
export function checkTokenizerSteps(
  tokenizer: JsonObject,
  idOf: (token: string) => JsonValue | undefined,
  where: string,
): void {
  for (const role of Object.keys(STEPS)) {
    const step = tokenizer[role] ?? null;
    if (step !== null) checkStep(role, step, idOf, `${where}: "${role}"`);
  }
}

function checkStep(
  role: string,
  step: JsonValue,
  idOf: (token: string) => JsonValue | undefined,
  where: string,
): void {
  const type = isJsonObject(step) ? step.type : undefined;
  const known = STEPS[role]!;
  if (!isJsonObject(step) || typeof type !== "string" || !Object.hasOwn(known, type)) {
    const got = isJsonObject(step) ? previewJson(type) : previewJson(step);
    throw new FormatError(`${where}: expected a step of type ${Object.keys(known).join(", ")}, got ${got}.`);
  }
  for (const [field, kind] of Object.entries(known[type]!)) {
    const value = step[field] ?? null;
    const place = `${where}: ${type}.${field}`;
    if (value === null && kind.endsWith("?")) continue;
    if (kind === "steps") {
      if (!Array.isArray(value))
        throw new FormatError(`${place}: expected a list, got ${describeJson(value)}.`);
      for (const inner of value) checkStep(role, inner, idOf, where);
    } else if (!isOfKind(value, kind.replace("?", "") as FieldKind, idOf)) {
      throw new FormatError(
        `${place}: expected ${DESCRIPTIONS[kind.replace("?", "") as FieldKind]}, got ${previewJson(value)}.`,
      );
    }
  }
  if (type === "TemplateProcessing") checkSpecialTokens(step, idOf, where);
}

const DESCRIPTIONS: Record<FieldKind, string> = {
  string: "a string",
  boolean: "true or false",
  integer: "a non-negative integer",
  pattern: 'a pattern {"String": …} or {"Regex": …}',
  behavior: '"Isolated" or "Removed"',
  token: "[token, id] as in the vocabulary",
  template: "a list of special tokens and sequences",
  object: "an object",
  steps: "a list",
};

function isOfKind(
  value: JsonValue,
  kind: FieldKind,
  idOf: (token: string) => JsonValue | undefined,
): boolean {
  switch (kind) {
    case "string":
    case "boolean":
      return typeof value === kind;
    case "integer":
      return Number.isInteger(value) && (value as number) >= 0;
    case "pattern":
      return isJsonObject(value) && typeof (value.String ?? value.Regex) === "string";
    case "behavior": // the library does not have the others
      return typeof value === "string" && ["isolated", "removed"].includes(value.toLowerCase());
    case "token":
      return Array.isArray(value) && typeof value[0] === "string" && idOf(value[0]) === value[1];
    case "template":
      return Array.isArray(value) && value.every(isTemplatePart);
    case "object":
      return isJsonObject(value);
    case "steps":
      return Array.isArray(value);
  }
}

function isTemplatePart(part: JsonValue): boolean {
  if (!isJsonObject(part)) return false;
  const { SpecialToken: special, Sequence: sequence } = part;
  if (isJsonObject(special)) return typeof special.id === "string" && Number.isInteger(special.type_id);
  return (
    isJsonObject(sequence) && ["A", "B"].includes(sequence.id as string) && Number.isInteger(sequence.type_id)
  );
}

/** A template names special tokens; the ids listed for them must be those of the vocabulary. */
function checkSpecialTokens(
  template: JsonObject,
  idOf: (token: string) => JsonValue | undefined,
  where: string,
): void {
  const special = (template.special_tokens ?? {}) as JsonObject;
  const parts = [template.single, template.pair ?? []].flat() as { SpecialToken?: { id: string } }[];
  for (const { SpecialToken: used } of parts) {
    if (used === undefined) continue;
    const entry = Object.hasOwn(special, used.id) ? special[used.id] : undefined;
    const ids = isJsonObject(entry) && Array.isArray(entry.ids) ? entry.ids : [];
    if (ids.length !== 1 || idOf(used.id) !== ids[0]) {
      throw new FormatError(
        `${where}: special token ${describeJson(used.id)}: expected the id ${previewJson(idOf(used.id))} of the vocabulary, got ${previewJson(entry)}.`,
      );
    }
  }
}
