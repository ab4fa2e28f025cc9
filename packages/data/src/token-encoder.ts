/** What sampling needs of a tokenizer; the Tokenizer of @sdmprune/model-io is one. */
export interface TokenEncoder {
  /** Token ids of `text`, with the special tokens that the tokenizer adds to every text, or without. */
  encode(text: string, options: { addSpecialTokens: boolean }): ArrayLike<number>;
  /** Id of the token that begins a text, if the model has one. */
  readonly bosTokenId?: number | undefined;
}
