import { CONTEXT, MODEL_CONFIG, SEED, type TrainingSettings } from "./settings.js";

export interface DemoModelFacts {
  numParameters: number;
  heldoutPerplexity: number;
  trigramPerplexity: number;
  training: TrainingSettings;
}

/** README.md of the demo model's folder. */
export function demoModelCard(facts: DemoModelFacts): string {
  const { training } = facts;
  const c = MODEL_CONFIG;
  const mlp = (3 * c.hidden_size * c.intermediate_size * c.num_hidden_layers) / facts.numParameters;
  const tokens = training.numSteps * training.batch * CONTEXT;
  return `---
license: apache-2.0
language: en
pipeline_tag: text-generation
---

# Demo model

A Llama of ${millions(facts.numParameters)} million parameters for trying out pruning without a download: \`npm run demo\`
prunes it by every method. It tells short English stories about forty people in sixteen villages.

| | |
|---|---|
| layers, hidden size, MLP neurons | ${c.num_hidden_layers}, ${c.hidden_size}, ${c.intermediate_size} |
| heads, key-value heads, head size | ${c.num_attention_heads}, ${c.num_key_value_heads}, ${c.head_dim} |
| vocabulary, context | ${c.vocab_size}, ${CONTEXT} |
| part of the parameters in MLPs | ${Math.round(mlp * 100)} % |
| perplexity on \`heldout.txt\` | ${facts.heldoutPerplexity.toFixed(3)} (windows of ${CONTEXT} tokens, BOS in front of each) |
| perplexity of a Kneser-Ney 3-gram model of the same training text | ${facts.trigramPerplexity.toFixed(3)} |

## Text

The stories come from a seeded grammar in \`tools/demo-model\`. Who lives where, what a village is famous for and what
a kettle is made of never changes from story to story, so the model has to know it; who lost which thing in
which colour is drawn anew for each story, so the model has to look back in the text. \`calibration.txt\` and
\`heldout.txt\` hold stories of the same world that are not in the training text.

## Training

\`tools/demo-model/train.ts\`: ${millions(tokens)} million tokens in ${training.numSteps} steps of ${training.batch} windows of ${CONTEXT}, Adam
(${training.beta1}, ${training.beta2}), learning rate ${training.learningRate} after ${training.warmupSteps} steps of warm-up, then a cosine down to ${training.finalPart} of it,
gradients clipped to a global norm of ${training.maxGradientNorm}, no weight decay, seed ${SEED}. \`training-log.jsonl\` has the losses in nats.

## Limits

It knows nothing but its stories. Use it to see what a pruning method does, not to judge how good the method
is on a large model.
`;
}

function millions(count: number): string {
  return (count / 1e6).toFixed(count < 1e7 ? 2 : 1);
}
