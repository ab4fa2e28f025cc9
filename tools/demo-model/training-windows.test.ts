import { loadTokenizer } from "@sdmprune/model-io";
import { describe, expect, it } from "vitest";
import { generateText } from "./corpus.js";
import { demoTokenizer } from "./demo-tokenizer.js";
import { BOS_ID, EOS_ID } from "./tokenizer.js";
import { encodeStories, packWindows } from "./training-windows.js";

const files = demoTokenizer();
const tokenizer = loadTokenizer(files.tokenizer, files.config);

describe("encodeStories", () => {
  it("gives the tokens of the text file with the same stories", () => {
    const text = generateText({ seed: 7, split: "training" }, 10_000);
    const stories = text.split("\n<|endoftext|>\n").slice(0, -1);
    const { ids, starts, separatorLength } = encodeStories(tokenizer, stories, 100_000);
    expect([...ids]).toEqual(tokenizer.encode(text, { addSpecialTokens: false }));
    expect(starts).toHaveLength(stories.length + 1);
    expect(separatorLength).toBe(3); // line break, separator, line break
    const third = ids.subarray(starts[2], starts[3]! - separatorLength);
    expect(tokenizer.decode(third)).toBe(stories[2]);
  });

  it("takes only as many stories as are needed", () => {
    const stories = ["one story", "another story", "a third"];
    expect(encodeStories(tokenizer, stories, 4).starts).toHaveLength(2);
  });
});

describe("packWindows", () => {
  // Three stories of 5, 4 and 6 tokens from 10 on, then a separator of 3 (9, EOS, 9).
  const stories = [
    [10, 11, 12, 13, 14],
    [20, 21, 22, 23],
    [30, 31, 32, 33, 34, 35],
  ];
  const laidOut = stories.map((story) => [...story, 9, EOS_ID, 9]);
  const starts = laidOut.reduce((all, part) => [...all, all.at(-1)! + part.length], [0]);
  const encoded = { ids: Uint16Array.from(laidOut.flat()), starts, separatorLength: 3 };
  const length = 12;
  const numWindows = 400;
  const windows = packWindows(encoded, { numWindows, length, seed: 3 });
  const rows = Array.from({ length: numWindows }, (_, w) => [
    ...windows.subarray(w * length, (w + 1) * length),
  ]);

  it("begins every window with BOS and fills it with whole runs of stories", () => {
    for (const row of rows) {
      expect(row[0]).toBe(BOS_ID);
      for (let i = 2; i < length; i++) {
        const isNext = row[i] === row[i - 1]! + 1 && row[i]! >= 10;
        const isStart = row[i]! >= 10 && row[i]! % 10 === 0 && [BOS_ID, 9].includes(row[i - 1]!);
        const isMark = [BOS_ID, EOS_ID, 9].includes(row[i]!);
        expect(isNext || isStart || isMark, row.join(" ")).toBe(true);
      }
    }
  });

  it("separates stories as a text file does in half of the windows and by BOS alone in the others", () => {
    const withMarks = rows.filter((row) => row.includes(EOS_ID)).length;
    const withBos = rows.filter((row) => row.lastIndexOf(BOS_ID) > 0).length;
    expect(withMarks / numWindows).toBeGreaterThan(0.35);
    expect(withBos / numWindows).toBeGreaterThan(0.3);
    expect(rows.filter((row) => row.includes(EOS_ID) && row.lastIndexOf(BOS_ID) > 0)).toEqual([]);
  });

  it("begins about half of the windows with a story and the others in the middle of one", () => {
    const atStart = rows.filter((row) => row[1]! >= 10 && row[1]! % 10 === 0).length / numWindows;
    expect(atStart).toBeGreaterThan(0.4);
    expect(atStart).toBeLessThan(0.8);
  });

  it("gives the same windows for the same seed and others for another", () => {
    expect(packWindows(encoded, { numWindows, length, seed: 3 })).toEqual(windows);
    expect(packWindows(encoded, { numWindows, length, seed: 4 })).not.toEqual(windows);
  });
});
