import { FormatError } from "@sdmprune/core";
import { describeJson, type JsonObject } from "../json-object.js";
import type { GgufFile } from "./open-gguf.js";
import { findPreTokenizer, PRE_TOKENIZERS } from "./pre-tokenizers.js";
import { mergesOfScores } from "./sentencepiece-merges.js";
import { TOKEN_KINDS } from "./token-kinds.js";

/** Contents of the two files of a tokenizer. */
export interface TokenizerFiles {
  readonly tokenizer: JsonObject;
  readonly config: JsonObject;
}

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly kinds: readonly number[];
}

/**
 * `tokenizer.json` and `tokenizer_config.json` from the vocabulary in a GGUF file: byte-level BPE (`gpt2`) with a
 * splitter that is known here, or SentencePiece BPE (`llama`).
 *
 * @throws {FormatError} If the file has no tokenizer, or one of another kind.
 */
export function tokenizerFromGguf(file: GgufFile): TokenizerFiles {
  const { metadata, name: where } = file;
  const model = metadata.need("tokenizer.ggml.model", metadata.string("tokenizer.ggml.model"));
  const vocabulary = readVocabulary(file);
  switch (model) {
    case "gpt2":
      return { tokenizer: byteLevelBpe(file, vocabulary), config: tokenizerConfig(file, vocabulary) };
    case "llama":
      return { tokenizer: sentencePieceBpe(file, vocabulary), config: tokenizerConfig(file, vocabulary) };
    default:
      throw new FormatError(
        `${where}: tokenizer.ggml.model: expected "gpt2" or "llama", got "${model}". Take tokenizer.json from the original checkpoint.`,
      );
  }
}

function readVocabulary({ metadata, name }: GgufFile): Vocabulary {
  const tokens = metadata.need("tokenizer.ggml.tokens", metadata.strings("tokenizer.ggml.tokens"));
  const kinds =
    metadata.numbers("tokenizer.ggml.token_type") ??
    new Array<number>(tokens.length).fill(TOKEN_KINDS.normal);
  if (kinds.length !== tokens.length) {
    throw new FormatError(
      `${name}: tokenizer.ggml.token_type: expected ${tokens.length} entries, one per token, got ${kinds.length}.`,
    );
  }
  const seen = new Set<string>();
  for (const token of tokens) {
    if (seen.has(token)) {
      throw new FormatError(
        `${name}: tokenizer.ggml.tokens: expected every token once, got ${describeJson(token)} again.`,
      );
    }
    seen.add(token);
  }
  return { tokens, kinds };
}

function byteLevelBpe(file: GgufFile, vocabulary: Vocabulary): JsonObject {
  const { metadata, name } = file;
  const pre = metadata.string("tokenizer.ggml.pre") ?? "default";
  const preTokenizer = findPreTokenizer(pre);
  if (preTokenizer === undefined) {
    const known = PRE_TOKENIZERS.flatMap(({ names }) => names).join(", ");
    throw new FormatError(
      `${name}: tokenizer.ggml.pre: expected a splitter of ${known}, got "${pre}". Take tokenizer.json from the original checkpoint.`,
    );
  }
  const merges = metadata.need("tokenizer.ggml.merges", metadata.strings("tokenizer.ggml.merges"));
  const pairs = merges.map((merge) => {
    const at = merge.indexOf(" ", 1); // a part is never empty, and may only start with a space
    if (at < 0 || at === merge.length - 1) {
      throw new FormatError(
        `${name}: tokenizer.ggml.merges: expected two pieces with a space between, got ${describeJson(merge)}.`,
      );
    }
    return [merge.slice(0, at), merge.slice(at + 1)];
  });
  return {
    ...commonParts(
      file,
      vocabulary,
      metadata.boolean("tokenizer.ggml.add_bos_token") ?? preTokenizer.addsBos,
    ),
    normalizer: preTokenizer.normalizer ?? null,
    pre_tokenizer: preTokenizer.step,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...bpeModel(vocabulary),
      ignore_merges: preTokenizer.ignoreMerges,
      merges: pairs,
    },
  };
}

function sentencePieceBpe(file: GgufFile, vocabulary: Vocabulary): JsonObject {
  const { metadata, name } = file;
  const { tokens, kinds } = vocabulary;
  const scores = metadata.need("tokenizer.ggml.scores", metadata.numbers("tokenizer.ggml.scores"));
  if (scores.length !== tokens.length) {
    throw new FormatError(
      `${name}: tokenizer.ggml.scores: expected ${tokens.length} entries, one per token, got ${scores.length}.`,
    );
  }
  const isMerged = (id: number) => kinds[id] === TOKEN_KINDS.normal || kinds[id] === TOKEN_KINDS.userDefined;
  const hasPrefix = metadata.boolean("tokenizer.ggml.add_space_prefix") ?? true;
  const toMark = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const unknown = kinds.indexOf(TOKEN_KINDS.unknown);
  return {
    ...commonParts(file, vocabulary, metadata.boolean("tokenizer.ggml.add_bos_token") ?? true),
    normalizer: hasPrefix
      ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, toMark] }
      : toMark,
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(hasPrefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      ...bpeModel(vocabulary),
      unk_token: unknown < 0 ? null : tokens[unknown]!,
      fuse_unk: true,
      byte_fallback: kinds.includes(TOKEN_KINDS.byte),
      merges: mergesOfScores(tokens, scores, isMerged),
    },
  };
}

function bpeModel({ tokens, kinds }: Vocabulary): JsonObject {
  // Object.fromEntries keeps a token named "__proto__" a key; tokens that are numbers move to the front, which is harmless.
  const vocab = Object.fromEntries(
    [...tokens.entries()]
      .filter(([id]) => !isPadding(tokens[id]!, kinds[id]!))
      .map(([id, token]) => [token, id]),
  );
  return {
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
  };
}

/** Rows of the embedding that no token has, which converters name so. */
function isPadding(token: string, kind: number): boolean {
  return kind === TOKEN_KINDS.unused && /^\[PAD\d+\]$/.test(token);
}

function commonParts(file: GgufFile, { tokens, kinds }: Vocabulary, addsBos: boolean): JsonObject {
  const { metadata, name } = file;
  const special: readonly number[] = [TOKEN_KINDS.control, TOKEN_KINDS.unknown];
  const added = [...tokens.entries()]
    .filter(([id]) => special.includes(kinds[id]!) || kinds[id] === TOKEN_KINDS.userDefined)
    .map(([id, content]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: special.includes(kinds[id]!),
    }));
  const addsEos = metadata.boolean("tokenizer.ggml.add_eos_token") ?? false;
  const tokenOf = (role: string) => {
    const id = metadata.need(
      `tokenizer.ggml.${role}_token_id`,
      metadata.integer(`tokenizer.ggml.${role}_token_id`),
    );
    const token = tokens[id];
    if (token !== undefined) return { id, token };
    throw new FormatError(
      `${name}: tokenizer.ggml.${role}_token_id: expected an id below ${tokens.length}, got ${id}.`,
    );
  };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    post_processor: template(addsBos ? tokenOf("bos") : undefined, addsEos ? tokenOf("eos") : undefined),
  };
}

interface NamedId {
  readonly id: number;
  readonly token: string;
}

function template(bos: NamedId | undefined, eos: NamedId | undefined): JsonObject | null {
  if (!bos && !eos) return null;
  const around = (sequence: string, typeId: number): JsonObject[] => [
    ...(bos ? [{ SpecialToken: { id: bos.token, type_id: typeId } }] : []),
    { Sequence: { id: sequence, type_id: typeId } },
    ...(eos ? [{ SpecialToken: { id: eos.token, type_id: typeId } }] : []),
  ];
  const special = [bos, eos].filter((token) => token !== undefined);
  return {
    type: "TemplateProcessing",
    single: around("A", 0),
    pair: [...around("A", 0), ...around("B", 1)],
    special_tokens: Object.fromEntries(
      special.map(({ id, token }) => [token, { id: token, ids: [id], tokens: [token] }]),
    ),
  };
}

function tokenizerConfig({ metadata, name }: GgufFile, { tokens }: Vocabulary): JsonObject {
  const roles = { bos_token: "bos", eos_token: "eos", unk_token: "unknown", pad_token: "padding" };
  const config: JsonObject = { tokenizer_class: "PreTrainedTokenizerFast" };
  for (const [key, role] of Object.entries(roles)) {
    const id = metadata.integer(`tokenizer.ggml.${role}_token_id`);
    if (id === undefined) continue;
    const token = tokens[id];
    if (token === undefined) {
      throw new FormatError(
        `${name}: tokenizer.ggml.${role}_token_id: expected an id below ${tokens.length}, got ${id}.`,
      );
    }
    config[key] = token;
  }
  const contextLength = metadata.integer("llama.context_length");
  const chatTemplate = metadata.string("tokenizer.chat_template");
  return {
    ...config,
    add_prefix_space: false,
    clean_up_tokenization_spaces: false,
    ...(contextLength !== undefined && { model_max_length: contextLength }),
    ...(chatTemplate !== undefined && { chat_template: chatTemplate }),
  };
}
