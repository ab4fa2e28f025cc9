/** Files that belong to a model whatever its weights: tokenizer, generation settings, remote code, licence. */
const CARRIED = [
  /^tokenizer\.json$/,
  /^tokenizer_config\.json$/,
  /^special_tokens_map\.json$/,
  /^added_tokens\.json$/,
  /^vocab\.(json|txt)$/,
  /^merges\.txt$/,
  /\.(model|tiktoken)$/, // SentencePiece and tiktoken vocabularies
  /^chat_template\.(jinja|json)$/,
  /^generation_config\.json$/,
  /\.py$/, // remote code named by the config's auto_map
  /^(LICENSE|LICENCE|NOTICE|USE_POLICY|COPYING|COPYRIGHT)([._-].*)?$/i,
];

/**
 * Whether a checkpoint made from another one takes over this file of it, byte for byte. Weights of any
 * format, their indices, `config.json` (which is edited) and the model card (which describes the original)
 * are not.
 */
export function isCarriedFile(name: string): boolean {
  return CARRIED.some((pattern) => pattern.test(name));
}
