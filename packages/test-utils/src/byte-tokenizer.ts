/** Ids of the byte tokenizer: two special tokens, then the 256 bytes. */
export const BYTE_TOKENIZER = { bosTokenId: 0, eosTokenId: 1, firstByteId: 2, vocabSize: 258 } as const;

const BOS = "<|bos|>";
const EOS = "<|eos|>";

/**
 * A tokenizer of one token per UTF-8 byte, as the files of a checkpoint folder: byte-level BPE without
 * merges. Byte `b` has id `b + 2`; a BOS token (0) goes first.
 */
export function byteTokenizerFiles(): { "tokenizer.json": string; "tokenizer_config.json": string } {
  const characters = byteCharacters();
  const vocab = Object.fromEntries([
    [BOS, BYTE_TOKENIZER.bosTokenId],
    [EOS, BYTE_TOKENIZER.eosTokenId],
    ...characters.map((character, byte) => [character, byte + BYTE_TOKENIZER.firstByteId]),
  ]) as Record<string, number>;
  const special = (content: string) => ({
    id: vocab[content],
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(BOS), special(EOS)],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: BOS, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [
        { SpecialToken: { id: BOS, type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { Sequence: { id: "B", type_id: 1 } },
      ],
      special_tokens: { [BOS]: { id: BOS, ids: [BYTE_TOKENIZER.bosTokenId], tokens: [BOS] } },
    },
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: [],
    },
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: BOS,
    eos_token: EOS,
    clean_up_tokenization_spaces: false,
    model_max_length: 128,
  };
  return {
    "tokenizer.json": `${JSON.stringify(tokenizer, null, 2)}\n`,
    "tokenizer_config.json": `${JSON.stringify(config, null, 2)}\n`,
  };
}

/**
 * The character that stands for each byte in byte-level BPE: itself where it is printable, else the next
 * one from U+0100 on.
 */
function byteCharacters(): string[] {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}
