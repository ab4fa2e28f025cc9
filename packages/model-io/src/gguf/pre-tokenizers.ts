import type { JsonObject, JsonValue } from "../json-object.js";

/** GPT-2's expression; what it leaves unmatched (spaces at the very end) stays a piece. */
const GPT2_SPLIT = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** That of Llama 3 and its kin, with the most digits that go together. */
const wordSplit = (digits: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const split = (regex: string): JsonObject => ({
  type: "Split",
  pattern: { Regex: regex },
  behavior: "Isolated",
  invert: false,
});
const byteLevel = (useRegex: boolean): JsonObject => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
const sequence = (...steps: JsonObject[]): JsonObject => ({ type: "Sequence", pretokenizers: steps });

/** How llama.cpp splits text for byte-level BPE, as `pre_tokenizer` of a tokenizer.json. */
export interface PreTokenizer {
  /** Values of `tokenizer.ggml.pre` (llama-vocab.cpp); the first is what is written. */
  readonly names: readonly string[];
  readonly step: JsonObject;
  /** Whether a piece that is itself a token is taken whole, without merging. */
  readonly ignoreMerges: boolean;
  /** Whether BOS is added where the file does not say. */
  readonly addsBos: boolean;
  readonly normalizer?: JsonObject;
}

export const PRE_TOKENIZERS: readonly PreTokenizer[] = [
  {
    names: ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
    step: sequence({ type: "Digits", individual_digits: true }, byteLevel(true)),
    ignoreMerges: false,
    addsBos: false,
  },
  {
    names: ["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"],
    step: sequence(split(wordSplit("\\p{N}{1,3}")), byteLevel(false)),
    ignoreMerges: true,
    addsBos: true,
  },
  {
    names: ["gpt-2", "phi-2", "olmo", "mpt", "jais"],
    step: byteLevel(true),
    ignoreMerges: false,
    addsBos: false,
  },
  {
    names: ["qwen2", "stablelm2", "deepseek-r1-qwen", "megrez", "kormo"],
    step: sequence(split(wordSplit("\\p{N}")), byteLevel(false)),
    ignoreMerges: false,
    addsBos: false,
    normalizer: { type: "NFC" },
  },
  {
    names: ["default"],
    step: sequence(
      split("[\\p{P}\\$\\+<=>\\^~\\|]+"),
      split(GPT2_SPLIT),
      split("\\p{N}+"),
      split("[0-9][0-9][0-9]"),
      byteLevel(false),
    ),
    ignoreMerges: false,
    addsBos: false,
  },
];

export function findPreTokenizer(name: string): PreTokenizer | undefined {
  return PRE_TOKENIZERS.find(({ names }) => names.includes(name));
}

/** The one that splits as a `pre_tokenizer` of a tokenizer.json does, if llama.cpp has it. */
export function matchPreTokenizer(step: JsonValue): PreTokenizer | undefined {
  const wanted = canonical(step);
  return PRE_TOKENIZERS.find((candidate) => canonical(candidate.step) === wanted);
}

/** One spelling of a step for all that split alike: fields that do not matter are left out, defaults are filled in. */
function canonical(step: JsonValue | undefined): string {
  const steps = isSequence(step) ? step.pretokenizers : [step];
  return JSON.stringify(
    (steps as JsonObject[]).flatMap((one) => {
      if (isSequence(one)) return [canonical(one)];
      switch (one?.type) {
        case "ByteLevel":
          // A prefix space would be added to the first piece; with an expression of its own it is another splitter.
          return one.add_prefix_space !== false
            ? ["prefix space"]
            : one.use_regex === false
              ? []
              : [GPT2_SPLIT];
        case "Split":
          return [
            one.behavior === "Isolated" && one.invert !== true
              ? (one.pattern as JsonObject).Regex
              : JSON.stringify(one),
          ];
        case "Digits":
          return [one.individual_digits === true ? "\\p{N}" : "\\p{N}+"];
        default:
          return [JSON.stringify(one)];
      }
    }),
  );
}

function isSequence(step: JsonValue | undefined): step is JsonObject & { pretokenizers: JsonValue[] } {
  return (
    typeof step === "object" &&
    step !== null &&
    !Array.isArray(step) &&
    step.type === "Sequence" &&
    Array.isArray(step.pretokenizers)
  );
}
