import { generateStories } from "./corpus.js";
import { CONTEXT, NUM_TOKENIZER_STORIES, SEED, VOCAB_SIZE } from "./settings.js";
import { trainTokenizer, type TokenizerFiles } from "./tokenizer.js";

/** The demo model's tokenizer, trained on the first stories of the training split. */
export function demoTokenizer(): TokenizerFiles {
  const texts: string[] = [];
  for (const story of generateStories({ seed: SEED, split: "training" })) {
    texts.push(story);
    if (texts.length === NUM_TOKENIZER_STORIES) {
      break;
    }
  }
  return trainTokenizer(texts, { vocabSize: VOCAB_SIZE, maxLength: CONTEXT });
}
