import { FormatError, UsageError } from "@sdmprune/core";
import type { TextDocument } from "../document.js";
import { BOS_POLICIES, type BosPolicy } from "../draw-windows.js";
import type { TokenEncoder } from "../token-encoder.js";
import type { InstructionExample } from "./training-example.js";

/** What training needs of a tokenizer; the Tokenizer of @sdmprune/model-io is one. */
export interface TrainingEncoder extends TokenEncoder {
  /** Id of the token that ends a text. Training cannot do without. */
  readonly eosTokenId?: number | undefined;
}

export interface TokenizedInstruction {
  /** Prompt, response and EOS, cut at `maxLength`. */
  readonly ids: readonly number[];
  /** Tokens of the prompt with BOS, before the cut. */
  readonly promptLength: number;
  readonly isTruncated: boolean;
}

export interface ExampleTokenizer {
  instruction(example: InstructionExample): TokenizedInstruction;
  /** A whole document with EOS at its end. */
  text(document: TextDocument): readonly number[];
}

/**
 * @throws {FormatError} If the tokenizer has no EOS, or gives an id that is not below `vocabSize`, then or when tokenising.
 * @throws {UsageError} If `bos` is `always` and it has no BOS.
 */
export function createExampleTokenizer(
  encoder: TrainingEncoder,
  { maxLength, vocabSize, bos }: { maxLength: number; vocabSize: number; bos: BosPolicy },
): ExampleTokenizer {
  const { eosTokenId } = encoder;
  if (eosTokenId === undefined) {
    throw new FormatError(
      `tokenizer: expected an EOS token to end every example with, got a tokenizer without one. ` +
        `Name it as "eos_token" in tokenizer_config.json.`,
    );
  }
  const first = firstTokens(encoder, bos);
  const encode = (id: string, text: string): readonly number[] => {
    const ids = Array.from(encoder.encode(text, { addSpecialTokens: false }));
    const wrong = ids.find((token) => token >= vocabSize);
    if (wrong !== undefined) throw new FormatError(vocabularyMessage(id, wrong, vocabSize));
    return ids;
  };
  for (const token of [...first, eosTokenId]) {
    if (token >= vocabSize) throw new FormatError(vocabularyMessage("tokenizer", token, vocabSize));
  }
  return {
    instruction({ id, prompt, response }) {
      const promptIds = [...first, ...encode(id, prompt)];
      const ids = [...promptIds, ...encode(id, response), eosTokenId];
      const isTruncated = ids.length > maxLength;
      return {
        ids: isTruncated ? ids.slice(0, maxLength) : ids,
        promptLength: promptIds.length,
        isTruncated,
      };
    },
    text: ({ id, text }) => [...first, ...encode(id, text), eosTokenId],
  };
}

/** What goes before every text: for `auto` whatever the tokenizer puts there. */
function firstTokens(encoder: TrainingEncoder, bos: BosPolicy): readonly number[] {
  switch (bos) {
    case "never":
      return [];
    case "always":
      if (encoder.bosTokenId !== undefined) return [encoder.bosTokenId];
      throw new UsageError(
        `bos: expected a tokenizer with a BOS token for "always", got one without. Use "never".`,
      );
    case "auto": {
      const bare = Array.from(encoder.encode("a", { addSpecialTokens: false }));
      const whole = Array.from(encoder.encode("a", { addSpecialTokens: true }));
      const at = whole.findIndex((_, i) => bare.every((token, j) => whole[i + j] === token));
      return whole.slice(0, Math.max(0, at));
    }
    default:
      throw new UsageError(`bos: expected ${BOS_POLICIES.join(", ")}, got "${String(bos)}".`);
  }
}

function vocabularyMessage(where: string, token: number, vocabSize: number): string {
  return (
    `${where}: expected token ids below the model's vocab_size (${vocabSize}), got ${token}. ` +
    `The tokenizer belongs to another model.`
  );
}
