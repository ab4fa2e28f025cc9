import { FormatError } from "@sdmprune/core";
import { checkTokenizer } from "../check-tokenizer.js";
import { describeJson, isJsonObject, type JsonObject, type JsonValue, previewJson } from "../json-object.js";
import { splitMerge } from "../sentencepiece-split.js";
import type { GgufValue } from "./gguf-metadata.js";
import { matchPreTokenizer, PRE_TOKENIZERS } from "./pre-tokenizers.js";
import { scoresOfMerges } from "./sentencepiece-merges.js";
import { TOKEN_KINDS } from "./token-kinds.js";

/** The files of a checkpoint that say how its tokenizer works, parsed. */
export interface TokenizerSource {
  readonly tokenizer: JsonObject;
  /** `tokenizer_config.json`; empty if there is none. */
  readonly tokenizerConfig: JsonObject;
  /** `config.json`, for ids that the tokenizer's config does not name. */
  readonly config: Readonly<JsonObject>;
  /** `chat_template.jinja`, which wins over the template in `tokenizer_config.json`. */
  readonly chatTemplate?: string | undefined;
}

const string = (value: string): GgufValue => ({ type: "STRING", value });
const bool = (value: boolean): GgufValue => ({ type: "BOOL", value });
const uint32 = (value: number): GgufValue => ({ type: "UINT32", value });

/**
 * The `tokenizer.*` metadata of a GGUF file: byte-level BPE whose splitter llama.cpp knows, or SentencePiece-style BPE
 * (normaliser that writes spaces as "▁", no splitter), with scores in the order of the merges.
 *
 * @param vocabSize - Rows of the embedding; those without a token get one named `[PAD<id>]`.
 * @param where - Name of tokenizer.json for errors.
 * @throws {FormatError} If the tokenizer is malformed, or none that llama.cpp has.
 */
export function tokenizerToGguf(
  source: TokenizerSource,
  vocabSize: number,
  where: string,
): Map<string, GgufValue> {
  const { tokenizer } = source;
  checkTokenizer(tokenizer, where);
  const model = tokenizer.model as JsonObject;
  if ((model.type ?? "BPE") !== "BPE") {
    throw new FormatError(`${where}: expected a model of type BPE, got ${previewJson(model.type)}.`);
  }
  const tokens = tokensById(tokenizer, vocabSize, where);
  const merges = (model.merges as (string | string[])[]).map(
    (merge) => splitMerge(merge) as [string, string],
  );
  const isSentencePiece = model.byte_fallback === true;
  const metadata = isSentencePiece
    ? sentencePieceParts(tokenizer, tokens, merges, where)
    : byteLevelParts(tokenizer, merges, where);
  const unknown = isSentencePiece ? ((model.unk_token ?? "") as string) : undefined;
  const addedTokens = new Map(
    ((tokenizer.added_tokens ?? []) as { id: number; special: boolean }[]).map((added) => [added.id, added]),
  );
  const kinds = tokens.map((token, id) => tokenKind(token, addedTokens.get(id), unknown));
  metadata
    .set("tokenizer.ggml.tokens", {
      type: "ARRAY",
      itemType: "STRING",
      value: tokens.map((t, id) => t ?? `[PAD${id}]`),
    })
    .set("tokenizer.ggml.token_type", { type: "ARRAY", itemType: "INT32", value: kinds });
  for (const [key, value] of specialTokens(source, where)) metadata.set(key, value);
  return metadata;
}

function tokensById(tokenizer: JsonObject, vocabSize: number, where: string): (string | undefined)[] {
  const tokens = new Array<string | undefined>(vocabSize).fill(undefined);
  const vocab = (tokenizer.model as JsonObject).vocab as Record<string, number>;
  const added = (tokenizer.added_tokens ?? []) as { id: number; content: string }[];
  for (const [token, id] of [
    ...Object.entries(vocab),
    ...added.map(({ id, content }) => [content, id] as const),
  ]) {
    if (id >= vocabSize) {
      throw new FormatError(
        `${where}: token ${describeJson(token)}: expected an id below vocab_size (${vocabSize}), got ${id}.`,
      );
    }
    tokens[id] = token;
  }
  return tokens;
}

function byteLevelParts(
  tokenizer: JsonObject,
  merges: readonly (readonly [string, string])[],
  where: string,
): Map<string, GgufValue> {
  const pre = matchPreTokenizer(tokenizer.pre_tokenizer ?? null);
  const normalizer = tokenizer.normalizer ?? null;
  const hasOwnNormalizer = normalizer !== null && (normalizer as JsonObject).type !== pre?.normalizer?.type;
  if (pre === undefined || hasOwnNormalizer) {
    const known = PRE_TOKENIZERS.map(({ names }) => names[0]).join(", ");
    const [key, step] =
      pre === undefined ? ["pre_tokenizer", tokenizer.pre_tokenizer] : ["normalizer", normalizer];
    throw new FormatError(
      `${where}: "${key}": expected that of a tokenizer which llama.cpp has (${known}), got ${previewJson(step)}.`,
    );
  }
  const bad = merges.find((parts) => parts.some((part) => part.includes(" ")));
  if (bad) throw new FormatError(`${where}: expected merges of byte-level pieces, got ${previewJson(bad)}.`);
  return new Map<string, GgufValue>([
    ["tokenizer.ggml.model", string("gpt2")],
    ["tokenizer.ggml.pre", string(pre.names[0]!)],
    [
      "tokenizer.ggml.merges",
      { type: "ARRAY", itemType: "STRING", value: merges.map((parts) => parts.join(" ")) },
    ],
    ["tokenizer.ggml.add_space_prefix", bool(false)],
  ]);
}

function sentencePieceParts(
  tokenizer: JsonObject,
  tokens: readonly (string | undefined)[],
  merges: readonly (readonly [string, string])[],
  where: string,
): Map<string, GgufValue> {
  const normalizer = tokenizer.normalizer ?? null;
  const steps = (
    isJsonObject(normalizer) && Array.isArray(normalizer.normalizers) ? normalizer.normalizers : [normalizer]
  ) as JsonObject[];
  const metaspace = tokenizer.pre_tokenizer ?? null;
  const isMetaspace = isJsonObject(metaspace) && metaspace.type === "Metaspace" && metaspace.split === false;
  const isPlain = steps.every(
    (step) =>
      step === null ||
      (step.type === "Prepend" && step.prepend === "▁") ||
      (step.type === "Replace" && step.content === "▁" && (step.pattern as JsonObject).String === " "),
  );
  if (!isPlain || (metaspace !== null && !isMetaspace)) {
    throw new FormatError(
      `${where}: expected a SentencePiece tokenizer that only writes spaces as "▁", got normalizer ${previewJson(normalizer)} and pre_tokenizer ${previewJson(metaspace)}.`,
    );
  }
  const hasPrefix = isMetaspace
    ? metaspace.prepend_scheme !== "never"
    : steps.some((step) => step?.type === "Prepend");
  const scores = scoresOfMerges(
    tokens.map((token) => token ?? ""),
    merges,
  );
  return new Map<string, GgufValue>([
    ["tokenizer.ggml.model", string("llama")],
    ["tokenizer.ggml.pre", string("default")],
    ["tokenizer.ggml.scores", { type: "ARRAY", itemType: "FLOAT32", value: [...scores] }],
    ["tokenizer.ggml.add_space_prefix", bool(hasPrefix)],
  ]);
}

/** @param unknown - The token for unknown characters, of a SentencePiece vocabulary; undefined for byte-level ones. */
function tokenKind(
  token: string | undefined,
  added: { readonly special: boolean } | undefined,
  unknown: string | undefined,
): number {
  if (token === undefined) return TOKEN_KINDS.unused;
  const isSentencePiece = unknown !== undefined;
  if (isSentencePiece && token === unknown) return TOKEN_KINDS.unknown;
  if (added) return added.special ? TOKEN_KINDS.control : TOKEN_KINDS.userDefined;
  return isSentencePiece && /^<0x[0-9A-F]{2}>$/.test(token) ? TOKEN_KINDS.byte : TOKEN_KINDS.normal;
}

function specialTokens(
  { tokenizer, tokenizerConfig, config, chatTemplate }: TokenizerSource,
  where: string,
): Map<string, GgufValue> {
  const vocab = (tokenizer.model as JsonObject).vocab as Record<string, number>;
  const added = (tokenizer.added_tokens ?? []) as { id: number; content: string }[];
  const idOf = (token: JsonValue | undefined): number | undefined => {
    const content = isJsonObject(token) ? token.content : token;
    if (typeof content !== "string") return undefined;
    return (
      added.find((entry) => entry.content === content)?.id ??
      (Object.hasOwn(vocab, content) ? vocab[content] : undefined)
    );
  };
  const roles = { bos: "bos", eos: "eos", unk: "unknown", pad: "padding" };
  const metadata = new Map<string, GgufValue>();
  for (const [role, name] of Object.entries(roles)) {
    const fromConfig = [config[`${role}_token_id`]].flat()[0]; // an eos may be a list
    const id =
      idOf(tokenizerConfig[`${role}_token`]) ?? (typeof fromConfig === "number" ? fromConfig : undefined);
    if (id !== undefined) metadata.set(`tokenizer.ggml.${name}_token_id`, uint32(id));
  }
  const around = addedAround(tokenizer.post_processor ?? null, where);
  metadata
    .set("tokenizer.ggml.add_bos_token", bool(around.before))
    .set("tokenizer.ggml.add_eos_token", bool(around.after));
  const template = chatTemplate ?? tokenizerConfig.chat_template;
  if (typeof template === "string") metadata.set("tokenizer.chat_template", string(template));
  return metadata;
}

/** Whether the post-processor puts a token before and after a text. */
function addedAround(step: JsonValue, where: string): { before: boolean; after: boolean } {
  if (!isJsonObject(step)) return { before: false, after: false };
  switch (step.type) {
    case "ByteLevel": // offsets only
      return { before: false, after: false };
    case "Sequence": {
      const each = (step.processors as JsonValue[]).map((inner) => addedAround(inner, where));
      return { before: each.some(({ before }) => before), after: each.some(({ after }) => after) };
    }
    case "TemplateProcessing": {
      const parts = step.single as JsonObject[];
      const at = parts.findIndex((part) => part.Sequence !== undefined);
      if (at > 1 || parts.length - at > 2) {
        throw new FormatError(
          `${where}: "post_processor": expected at most one token before and after a text, got ${previewJson(parts)}.`,
        );
      }
      return { before: at === 1, after: parts.length - at === 2 };
    }
    default:
      throw new FormatError(
        `${where}: "post_processor": expected TemplateProcessing or ByteLevel, got ${previewJson(step.type)}.`,
      );
  }
}
