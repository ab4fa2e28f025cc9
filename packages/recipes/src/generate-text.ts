import type { Run } from "@sdmprune/core";
import { openTokenizer } from "@sdmprune/model-io/node";
import { generate, type Generation } from "@sdmprune/models";
import { applyAdapter, type AppliedAdapter } from "./apply-adapter.js";
import { openModel } from "./open-model.js";
import { startEngine, type EngineRequest } from "./start-engine.js";

export interface GenerateRequest extends EngineRequest {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** Folder of a LoRA adapter to apply to the model. */
  readonly adapter?: string;
  /** Text to continue. Without a BOS token in the tokenizer it must not be empty. */
  readonly prompt: string;
  /** Default 128. */
  readonly maxTokens?: number;
  /** 0, the default, takes the likeliest token each time. */
  readonly temperature?: number;
  readonly topP?: number;
  /** Told the text so far, without the prompt, whenever it grows. */
  readonly onText?: (text: string) => void;
}

export interface GeneratedText {
  readonly prompt: string;
  readonly text: string;
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
  readonly stopReason: Generation["stopReason"];
}

const DEFAULT_MAX_TOKENS = 128;

/** Continues a prompt with a model. */
export async function generateText(run: Run, request: GenerateRequest): Promise<GeneratedText> {
  const model = await openModel(run, request.model);
  const tokenizer = await openTokenizer(model.checkpoint.dir);
  const promptIds = tokenizer.encode(request.prompt);
  await startEngine(run, request);
  const lm = await model.family.load(model.checkpoint, model.config);
  // A token alone may decode otherwise than among others: the text is decoded whole, and the prompt's part cut off.
  const promptText = tokenizer.decode(promptIds, { skipSpecialTokens: true });
  const ids: number[] = [];
  const textSoFar = (): string =>
    tokenizer.decode([...promptIds, ...ids], { skipSpecialTokens: true }).slice(promptText.length);
  let adapter: AppliedAdapter | undefined;
  try {
    adapter = request.adapter === undefined ? undefined : await applyAdapter(lm, request.adapter);
    const { stopReason } = await generate(lm, promptIds, {
      maxTokens: request.maxTokens ?? DEFAULT_MAX_TOKENS,
      temperature: request.temperature ?? 0,
      topP: request.topP ?? 1,
      seed: run.seed,
      signal: run.signal,
      onToken: (id) => {
        ids.push(id);
        request.onText?.(textSoFar());
      },
    });
    return { prompt: request.prompt, text: textSoFar(), promptIds, ids, stopReason };
  } finally {
    adapter?.dispose();
    lm.dispose();
  }
}
