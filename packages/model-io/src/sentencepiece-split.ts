import type { JsonObject } from "./json-object.js";

/**
 * Makes SentencePiece-style BPE tokenizers (Llama-2 and its kin) fast. They have no pre-tokenizer, so the
 * whole text is one word to the BPE merger, which takes minutes for a megabyte. If no piece and no merge has
 * a "▁" behind another character, no merge can ever cross such a place: splitting there first gives the same
 * ids, 20 times faster and cacheable.
 *
 * @param tokenizer - A checked `tokenizer.json`.
 * @returns The same document with a splitting step added, or itself where the step would not be safe.
 */
export function addSentencePieceSplit(tokenizer: JsonObject): JsonObject {
  const model = tokenizer.model as JsonObject;
  const isBpe = (model.type ?? "BPE") === "BPE" && Array.isArray(model.merges);
  if (!isBpe || model.continuing_subword_prefix || model.end_of_word_suffix) return tokenizer;
  const before = (tokenizer.pre_tokenizer ?? null) as JsonObject | null;
  const isUnsplitMetaspace = before?.type === "Metaspace" && (before.replacement ?? "▁") === "▁";
  if (before !== null && !isUnsplitMetaspace) return tokenizer;
  if (Object.keys(model.vocab as JsonObject).some(crossesBoundary)) return tokenizer;
  if ((model.merges as (string | string[])[]).some((merge) => crossesBoundary(joinMerge(merge))))
    return tokenizer;

  const split: JsonObject = {
    type: "Split",
    pattern: { Regex: "▁+[^▁]*|[^▁]+" },
    behavior: "Isolated",
    invert: false,
  };
  const steps = before === null ? split : { type: "Sequence", pretokenizers: [before, split] };
  return { ...tokenizer, pre_tokenizer: steps };
}

/** The two parts of a merge, in either of the forms of tokenizer.json: `"a b"` or `["a", "b"]`. */
export function splitMerge(merge: string | readonly string[]): readonly string[] {
  return typeof merge === "string" ? merge.split(" ") : merge;
}

function joinMerge(merge: string | readonly string[]): string {
  return splitMerge(merge).join("");
}

function crossesBoundary(piece: string): boolean {
  return /[^▁]▁/.test(piece);
}
