/** One continuation to score after one context. */
export interface LoglikelihoodRequest {
  readonly context: string;
  readonly continuation: string;
}

/** What a model says of one continuation. */
export interface Loglikelihood {
  /** Natural logarithm of the probability of the whole continuation, summed over its tokens. */
  readonly logprob: number;
  /** Whether greedy decoding after the context would write exactly this continuation. */
  readonly isGreedy: boolean;
  /** Tokens of the continuation. */
  readonly numTokens: number;
}

/** One text to write after one context. */
export interface GenerationRequest {
  readonly context: string;
  /** The text ends before the first of these. */
  readonly until: readonly string[];
  readonly maxTokens: number;
  /** 0 (the default) is greedy. */
  readonly temperature?: number;
}

export interface LanguageModelOptions<R> {
  /** Is told each result as soon as it is known, in any order; `index` is the request's. */
  readonly onResult?: (index: number, result: R) => void;
  readonly signal?: AbortSignal;
}

/** A language model as tasks see it: text in, numbers or text out. */
export interface LanguageModel {
  /** Scores continuations. Results are in the order of the requests. */
  loglikelihood(
    requests: readonly LoglikelihoodRequest[],
    options?: LanguageModelOptions<Loglikelihood>,
  ): Promise<Loglikelihood[]>;

  /** Log-probability of whole texts, each cut into disjoint windows where it is longer than the model's context. */
  loglikelihoodRolling(texts: readonly string[], options?: LanguageModelOptions<number>): Promise<number[]>;

  /** Writes texts. */
  generateUntil(
    requests: readonly GenerationRequest[],
    options?: LanguageModelOptions<string>,
  ): Promise<string[]>;
}

declare module "@sdmprune/core" {
  interface ExtensionTypes {
    /** A model that is asked in text: of another runtime, or behind a server. */
    "language-model": LanguageModel;
  }
}
