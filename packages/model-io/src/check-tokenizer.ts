import { FormatError } from "@sdmprune/core";
import { checkTokenizerSteps } from "./check-tokenizer-steps.js";
import { describeJson, isJsonObject, type JsonObject, type JsonValue, previewJson } from "./json-object.js";
import { splitMerge } from "./sentencepiece-split.js";

/** Larger ids would make a table of that many entries; the largest vocabularies of today have 2^18. */
const MAX_ID = 2 ** 24;

/** As Python's reader, which refuses others. Truncation and padding are the caller's business and not applied. */
const KEYS = [
  "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
  "model",
]; // prettier-ignore

/**
 * Checks what the tokenizer library takes on trust: the shape of `tokenizer.json`, ids in range, merges
 * whose parts and result are pieces of the vocabulary, processing steps with the fields they need.
 *
 * @param where - Name of the file for error messages.
 * @throws {FormatError} If something is amiss.
 */
export function checkTokenizer(tokenizer: JsonObject, where: string): void {
  const unknown = Object.keys(tokenizer).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) {
    throw new FormatError(`${where}: expected the keys ${KEYS.join(", ")}, got ${describeJson(unknown)}.`);
  }
  const { version = "1.0", model } = tokenizer;
  if (version !== "1.0")
    throw new FormatError(`${where}: expected version "1.0", got ${previewJson(version)}.`);
  if (!isJsonObject(model)) {
    throw new FormatError(`${where}: expected an object "model", got ${describeJson(model)}.`);
  }
  checkModel(model, where);
  const vocab = isJsonObject(model.vocab) ? model.vocab : {};
  const added = checkAddedTokens(tokenizer.added_tokens ?? [], vocab, where);
  const idOf = (token: string) =>
    added.get(token) ?? (Object.hasOwn(vocab, token) ? vocab[token] : undefined);
  checkTokenizerSteps(tokenizer, idOf, where);
}

/** The added tokens with their ids, which must be those of the vocabulary where they stand in it. */
function checkAddedTokens(tokens: JsonValue, vocab: JsonObject, where: string): Map<string, number> {
  if (!Array.isArray(tokens)) {
    throw new FormatError(`${where}: expected a list "added_tokens", got ${describeJson(tokens)}.`);
  }
  const ids = new Map<string, number>();
  for (const token of tokens) {
    if (!isJsonObject(token) || typeof token.content !== "string" || token.content === "") {
      throw new FormatError(`${where}: expected added tokens with a content, got ${previewJson(token)}.`);
    }
    const { id, content, ...flags } = token;
    for (const flag of ["single_word", "lstrip", "rstrip", "normalized", "special"]) {
      if (typeof flags[flag] !== "boolean") {
        throw new FormatError(
          `${where}: added token ${describeJson(content)}: expected "${flag}" to be true or false, got ${previewJson(flags[flag])}.`,
        );
      }
    }
    checkId(id, content, where);
    if (Object.hasOwn(vocab, content) && vocab[content] !== id) {
      throw new FormatError(
        `${where}: added token ${describeJson(content)}: expected the id ${previewJson(vocab[content])} of the vocabulary, got ${previewJson(id)}.`,
      );
    }
    ids.set(content, id as number);
  }
  return ids;
}

function checkModel(model: JsonObject, where: string): void {
  const { type = null, vocab, merges } = model;
  if (type === "Unigram") return checkUnigram(model, where);
  if (type !== "BPE" && type !== "WordPiece" && !(type === null && Array.isArray(merges))) {
    throw new FormatError(
      `${where}: expected a model of type BPE, Unigram or WordPiece, got ${previewJson(type)}.`,
    );
  }
  for (const key of ["unk_token", "end_of_word_suffix"]) checkOptional(model, key, "string", where);
  for (const key of ["fuse_unk", "byte_fallback", "ignore_merges"])
    checkOptional(model, key, "boolean", where);
  if (!isJsonObject(vocab)) {
    throw new FormatError(`${where}: expected an object "vocab", got ${describeJson(vocab)}.`);
  }
  for (const [piece, id] of Object.entries(vocab)) checkId(id, piece, where);
  if (type === "WordPiece") return;
  if ((model.continuing_subword_prefix ?? "") !== "") {
    throw new FormatError(
      `${where}: expected a BPE model without "continuing_subword_prefix", got ${previewJson(model.continuing_subword_prefix)}.`,
    );
  }
  if (!Array.isArray(merges)) {
    throw new FormatError(`${where}: expected a list "merges", got ${describeJson(merges)}.`);
  }
  const isList = Array.isArray(merges[0]);
  for (const merge of merges) {
    if (isList ? !Array.isArray(merge) : typeof merge !== "string") {
      throw new FormatError(`${where}: expected merges of one form, got ${previewJson(merge)}.`);
    }
    const parts = splitMerge(merge as string | string[]);
    const isPiece = (piece: unknown) => typeof piece === "string" && Object.hasOwn(vocab, piece);
    if (parts.length !== 2 || !parts.every(isPiece) || !isPiece(parts.join(""))) {
      throw new FormatError(
        `${where}: expected a merge of two pieces of the vocabulary into a third, got ${previewJson(merge)}.`,
      );
    }
  }
}

function checkUnigram({ vocab, unk_id: unkId = null }: JsonObject, where: string): void {
  const isPiece = (piece: JsonValue) =>
    Array.isArray(piece) &&
    piece.length === 2 &&
    typeof piece[0] === "string" &&
    typeof piece[1] === "number";
  if (!Array.isArray(vocab) || vocab.length === 0 || !vocab.every(isPiece)) {
    throw new FormatError(`${where}: expected "vocab" to be a list of [piece, score], got something else.`);
  }
  if (unkId !== null && !(Number.isInteger(unkId) && (unkId as number) in vocab)) {
    throw new FormatError(
      `${where}: expected "unk_id" to be an index of "vocab", got ${previewJson(unkId)}.`,
    );
  }
}

function checkOptional(model: JsonObject, key: string, kind: "string" | "boolean", where: string): void {
  const value = model[key] ?? null;
  if (value !== null && typeof value !== kind) {
    throw new FormatError(
      `${where}: model: expected "${key}" to be a ${kind} or null, got ${previewJson(value)}.`,
    );
  }
}

function checkId(id: JsonValue | undefined, token: string, where: string): void {
  if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= MAX_ID) {
    throw new FormatError(
      `${where}: token ${describeJson(token)}: expected an id from 0 to ${MAX_ID - 1}, got ${previewJson(id)}.`,
    );
  }
}
