/** Values of `tokenizer.ggml.token_type`. */
export const TOKEN_KINDS = {
  normal: 1,
  unknown: 2,
  /** Special: `<s>`, `<|im_end|>`. */
  control: 3,
  /** An added token that is ordinary text. */
  userDefined: 4,
  /** A row of the embedding without a token. */
  unused: 5,
  byte: 6,
} as const;
