import { UsageError } from "@sdmprune/core";
import type { Tokenizer } from "@sdmprune/model-io";
import { generate, type CausalLM } from "@sdmprune/models";
import type { GenerationRequest } from "../language-model.js";

export interface GenerateTextOptions {
  readonly tokenizer: Pick<Tokenizer, "encode" | "decode">;
  readonly addSpecialTokens: boolean;
  /** Tokens of context and text together at most. */
  readonly maxLength: number;
  /** Seed of the draws at a temperature above 0. */
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a text after a context that is cut at its start to leave room, and ends it before the first stop string.
 *
 * @throws {UsageError} If `maxTokens` leaves no room for a context, or the context has no token.
 */
export async function generateText(
  model: CausalLM,
  { context, until, maxTokens, temperature = 0 }: GenerationRequest,
  { tokenizer, addSpecialTokens, maxLength, seed, signal }: GenerateTextOptions,
): Promise<string> {
  if (maxTokens >= maxLength) {
    throw new UsageError(
      `generateUntil: expected maxTokens below ${maxLength}, the model's longest sequence, got ${maxTokens}.`,
    );
  }
  const prompt = tokenizer.encode(context, { addSpecialTokens }).slice(-(maxLength - maxTokens));
  const stops = until.filter((stop) => stop !== "");
  const textOf = (ids: readonly number[]): string => tokenizer.decode(ids, { skipSpecialTokens: true });
  const { ids } = await generate(model, prompt, {
    maxTokens,
    temperature,
    seed,
    isDone: (written) => {
      const text = textOf(written);
      return stops.some((stop) => text.includes(stop));
    },
    ...(signal && { signal }),
  });
  return stops.reduce((text, stop) => text.split(stop, 1)[0]!, textOf(ids));
}
