import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { DOCUMENT_SEPARATOR, generateStories, generateText, type CorpusOptions } from "./corpus.js";
import { CALIBRATION_BYTES, HELDOUT_BYTES, SEED } from "./settings.js";
import { createWorld } from "./world.js";

const take = (options: CorpusOptions, count: number): string[] => {
  const stories: string[] = [];
  for (const story of generateStories(options)) {
    if (stories.push(story) === count) {
      break;
    }
  }
  return stories;
};

describe("generateStories", () => {
  it("gives the same stories for the same seed, and others for another seed or split", () => {
    const stories = take({ seed: 4, split: "training" }, 20);
    expect(take({ seed: 4, split: "training" }, 20)).toEqual(stories);
    expect(take({ seed: 5, split: "training" }, 20)).not.toEqual(stories);
    expect(take({ seed: 4, split: "heldout" }, 20)).not.toEqual(stories);
  });

  it("tells no held-out or calibration story in training", () => {
    const training = new Set(take({ seed: SEED, split: "training" }, 40_000));
    const others = [
      ...take({ seed: SEED, split: "heldout" }, 150),
      ...take({ seed: SEED, split: "calibration" }, 600),
    ];
    expect(others.filter((story) => training.has(story))).toEqual([]);
    expect(new Set(others).size).toBe(others.length);
  });

  it("writes plain ASCII without blank lines, gaps left open or doubled spaces", () => {
    const text = take({ seed: 1, split: "training" }, 2000).join("\n");
    expect(text).not.toMatch(/[^\x20-\x7e\n]|\n\n| {2}|undefined|NaN|\[object|\$\{/);
    expect(text).not.toMatch(/\ba [aeiou]/); // every noun and adjective takes "a"
    expect(text).not.toMatch(/[.?!]"?[A-Za-z]|\s[.,?]/);
  });

  it("keeps to the facts of its world", () => {
    const homes = new Map(createWorld(2).people.map(({ name, home }) => [name, home.name]));
    let numSeen = 0;
    for (const story of take({ seed: 2, split: "training" }, 2000)) {
      for (const [, name, home] of story.matchAll(/([A-Z]\w+) lived in ([A-Z]\w+), a village/g)) {
        expect(home).toBe(homes.get(name!));
        numSeen++;
      }
    }
    expect(numSeen).toBeGreaterThan(300);
  });

  it("asks for sums that are right", () => {
    const numbers = "no one two three four five six seven eight nine ten eleven twelve".split(" ");
    let numSeen = 0;
    for (const story of take({ seed: 3, split: "training" }, 4000)) {
      const sum = /takes (\w+) from (\w+), then (\w+) \w+ are left/.exec(story);
      if (sum) {
        const [less, total, left] = sum.slice(1).map((word) => numbers.indexOf(word)) as [
          number,
          number,
          number,
        ];
        expect(total - less).toBe(left);
        numSeen++;
      }
    }
    expect(numSeen).toBeGreaterThan(100);
  });
});

describe("generateText", () => {
  it("puts a separator on a line of its own after every story and stops once there are enough bytes", () => {
    const text = generateText({ seed: 0, split: "heldout" }, 3000);
    const stories = take({ seed: 0, split: "heldout" }, 10);
    const parts = text.split(`\n${DOCUMENT_SEPARATOR}\n`);
    expect(parts.at(-1)).toBe("");
    expect(parts.slice(0, -1)).toEqual(stories.slice(0, parts.length - 1));
    expect(text.length).toBeGreaterThanOrEqual(3000);
    expect(text.length).toBeLessThan(4500);
  });

  it.each([
    ["calibration", CALIBRATION_BYTES],
    ["heldout", HELDOUT_BYTES],
  ] as const)("gives the %s text that is committed", async (split, minBytes) => {
    const committed = await readFile(
      new URL(`../../packages/cli/demo-model/${split}.txt`, import.meta.url),
      "utf8",
    );
    const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
    expect(sha256(generateText({ seed: SEED, split }, minBytes))).toBe(sha256(committed));
  });
});
