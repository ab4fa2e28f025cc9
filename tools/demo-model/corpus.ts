import { Rng } from "@sdmprune/core";
import { createScene, draw, pick, type Scene, type Story } from "./scene.js";
import { counting } from "./stories/counting.js";
import { exchange } from "./stories/exchange.js";
import { feast } from "./stories/feast.js";
import { journey } from "./stories/journey.js";
import { lostThing } from "./stories/lost-thing.js";
import { message } from "./stories/message.js";
import { promise } from "./stories/promise.js";
import { riddle } from "./stories/riddle.js";
import { createWorld } from "./world.js";

/** What stands between two documents, on a line of its own; the tokenizer has one token for it. */
export const DOCUMENT_SEPARATOR = "<|endoftext|>";

const PLOTS: ((scene: Scene) => Story)[] = [
  lostThing,
  promise,
  exchange,
  counting,
  journey,
  feast,
  message,
  riddle,
];

export interface CorpusOptions {
  /** Decides the world (who lives where ...) as well as every story. */
  seed: number;
  /** Names an independent stream of stories of the same world. */
  split: "training" | "calibration" | "heldout";
}

/**
 * An endless stream of short English stories: one string a story, with a title line, a paragraph,
 * and two to four questions with answers. The same options give the same stories.
 */
export function* generateStories({ seed, split }: CorpusOptions): Generator<string, never> {
  const world = createWorld(seed);
  const rng = new Rng(seed, `stories/${split}`);
  for (;;) {
    yield formatStory(rng, pick(rng, PLOTS)(createScene(world, rng)));
  }
}

/** Stories until they hold at least `minBytes` together, each followed by a separator line. */
export function generateText(options: CorpusOptions, minBytes: number): string {
  const parts: string[] = [];
  let length = 0;
  for (const story of generateStories(options)) {
    const document = `${story}\n${DOCUMENT_SEPARATOR}\n`;
    parts.push(document);
    length += document.length; // all ASCII
    if (length >= minBytes) {
      break;
    }
  }
  return parts.join("");
}

function formatStory(rng: Rng, { title, sentences, questions }: Story): string {
  const asked = draw(rng, questions, 2 + rng.integer(3));
  return [title, sentences.join(" "), ...asked.map(([question, answer]) => `${question} ${answer}`)].join(
    "\n",
  );
}
