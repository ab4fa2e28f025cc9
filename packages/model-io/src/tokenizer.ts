import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import { errorMessage, FormatError, UsageError } from "@sdmprune/core";
import { checkTokenizer } from "./check-tokenizer.js";
import { describeJson, isJsonObject, type JsonObject, type JsonValue } from "./json-object.js";
import { addSentencePieceSplit } from "./sentencepiece-split.js";

export interface EncodeOptions {
  /** Whether to add what the post-processor adds, such as `<s>` in front. Default true. */
  addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  /** Whether to leave out special tokens such as `</s>`. Default false. */
  skipSpecialTokens?: boolean;
}

/** Text to token ids and back, as Python's `tokenizers` does it for the same `tokenizer.json`. */
export interface Tokenizer {
  /** Ids as a model expects them. Characters that the vocabulary cannot express are left out. */
  encode(text: string, options?: EncodeOptions): number[];
  /** The exact text of the ids: no spaces are cleaned up. Ids outside the vocabulary are left out. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** The id of a token spelt as in the vocabulary; undefined if there is none. */
  tokenToId(token: string): number | undefined;
  /** The spelling of an id in the vocabulary; undefined if there is none. */
  idToToken(id: number): string | undefined;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  readonly unkTokenId: number | undefined;
  /** Whether `encode` puts `bosTokenId` in front. */
  readonly addsBosToken: boolean;
  /** Number of tokens, added ones included. A model's `vocab_size` is often larger, for padding. */
  readonly vocabSize: number;
}

/** What is used of the library. Its own declarations import without file endings, so they do not resolve here. */
interface Library {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  id_to_token(id: number): string | undefined;
  token_to_id(token: string): number | undefined;
  get_vocab(): ReadonlyMap<string, number>;
  readonly model?: { readonly unk_token_id?: number };
}

const Library = LibraryTokenizer as unknown as new (tokenizer: JsonObject, config: JsonObject) => Library;

/**
 * Makes a tokenizer from the parsed `tokenizer.json` and, for its special tokens, `tokenizer_config.json`.
 * SentencePiece-style vocabularies get a splitting step that changes no id and makes them about 20 times
 * faster.
 *
 * @param where - Name of the file for error messages.
 * @throws {FormatError} If `tokenizer.json` is malformed or needs a part the library does not have.
 */
export function loadTokenizer(
  tokenizerJson: unknown,
  tokenizerConfig: unknown = {},
  where = "tokenizer.json",
): Tokenizer {
  if (!isJsonObject(tokenizerJson)) {
    throw new FormatError(`${where}: expected a JSON object, got ${describeJson(tokenizerJson)}.`);
  }
  checkTokenizer(tokenizerJson, where);
  const config = isJsonObject(tokenizerConfig) ? tokenizerConfig : {};
  const library = guard(where, "load", () => new Library(completed(tokenizerJson), config));

  const encode = (text: string, { addSpecialTokens = true }: EncodeOptions = {}): number[] => {
    const { ids } = guard(where, "encode", () =>
      library.encode(text, { add_special_tokens: addSpecialTokens }),
    );
    // The library gives undefined for a character it cannot express; Python leaves it out.
    return ids.filter((id) => id !== undefined);
  };
  const decode = (ids: ArrayLike<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string => {
    const known = Array.from(ids, (id) => {
      if (Number.isInteger(id) && id >= 0) return id;
      throw new UsageError(`decode: expected ids that are non-negative integers, got ${id}.`);
    }).filter((id) => library.id_to_token(id) !== undefined);
    if (known.length === 0) return "";
    return guard(where, "decode", () =>
      library.decode(known, { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: false }),
    );
  };
  const idOf = (key: string): number | undefined => {
    const token = contentOf(config[key]);
    return token === undefined ? undefined : library.token_to_id(token);
  };
  const bosTokenId = idOf("bos_token");
  return {
    encode,
    decode,
    tokenToId: (token) => library.token_to_id(token),
    idToToken: (id) => library.id_to_token(id),
    bosTokenId,
    eosTokenId: idOf("eos_token"),
    padTokenId: idOf("pad_token"),
    unkTokenId: idOf("unk_token") ?? library.model?.unk_token_id,
    addsBosToken: bosTokenId !== undefined && encode("a")[0] === bosTokenId,
    vocabSize: library.get_vocab().size,
  };
}

/** The document with every key the library asks for. */
function completed(tokenizer: JsonObject): JsonObject {
  const steps = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: [],
  };
  return addSentencePieceSplit({ ...steps, ...tokenizer });
}

/** A special token of tokenizer_config.json: a string, or an object with a content. */
function contentOf(token: JsonValue | undefined): string | undefined {
  const content = isJsonObject(token) ? token.content : token;
  return typeof content === "string" ? content : undefined;
}

function guard<T>(where: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new FormatError(`${where}: expected a tokenizer that can ${what}, got: ${errorMessage(cause)}.`, {
      cause,
    });
  }
}
