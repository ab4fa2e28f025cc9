import { byteSymbols, learnMerges } from "./byte-pair-encoding.js";
import { DOCUMENT_SEPARATOR } from "./corpus.js";

/** Stands at the start of every window. */
export const BOS_TOKEN = "<|bos|>";
/** Ends a document: the separator of the corpus. */
export const EOS_TOKEN = DOCUMENT_SEPARATOR;
export const BOS_ID = 0;
export const EOS_ID = 1;

/** `tokenizer.json` and `tokenizer_config.json` of a Hugging Face folder. */
export interface TokenizerFiles {
  tokenizer: Record<string, unknown>;
  config: Record<string, unknown>;
}

/**
 * Trains a byte-level BPE tokenizer and writes it down in Hugging Face's format: ids 0 and 1 are the special
 * tokens, then come the 256 bytes, then the merges in the order they were learnt.
 *
 * @param texts - Documents without separators.
 * @param options.vocabSize - Number of ids, special tokens included; at least 258.
 * @param options.maxLength - The model's context, written as `model_max_length`.
 */
export function trainTokenizer(
  texts: Iterable<string>,
  options: { vocabSize: number; maxLength: number },
): TokenizerFiles {
  const specials = [BOS_TOKEN, EOS_TOKEN];
  const bytes = byteSymbols();
  const merges = learnMerges(texts, options.vocabSize - specials.length - bytes.length);
  const pieces = [...specials, ...bytes, ...merges.map(([left, right]) => left + right)];
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: specials.map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: {
        type: "TemplateProcessing",
        single: [special(BOS_TOKEN, 0), sequence("A", 0)],
        pair: [special(BOS_TOKEN, 0), sequence("A", 0), special(BOS_TOKEN, 1), sequence("B", 1)],
        special_tokens: { [BOS_TOKEN]: { id: BOS_TOKEN, ids: [BOS_ID], tokens: [BOS_TOKEN] } },
      },
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
        merges,
      },
    },
    config: {
      tokenizer_class: "PreTrainedTokenizerFast",
      bos_token: BOS_TOKEN,
      eos_token: EOS_TOKEN,
      pad_token: EOS_TOKEN,
      clean_up_tokenization_spaces: false,
      model_max_length: options.maxLength,
    },
  };
}

function special(id: string, typeId: number): unknown {
  return { SpecialToken: { id, type_id: typeId } };
}

function sequence(id: "A" | "B", typeId: number): unknown {
  return { Sequence: { id, type_id: typeId } };
}
