import { Rng } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { shuffleDocuments } from "./shuffle-documents.js";

const documents = Array.from({ length: 200 }, (_, i) => ({
  id: `d#${i}`,
  text: "x".repeat(1 + ((i * 37) % 50)),
}));

async function order(seed: number, maxChars?: number): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of shuffleDocuments(documents, new Rng(seed, "test"), maxChars)) ids.push(id);
  return ids;
}

describe("shuffleDocuments", () => {
  it("gives every document once, in an order that the seed decides", async () => {
    const first = await order(0);
    expect([...first].sort()).toEqual(documents.map(({ id }) => id).sort());
    expect(first).not.toEqual(documents.map(({ id }) => id));
    expect(await order(0)).toEqual(first);
    expect(await order(1)).not.toEqual(first);
  });

  it.each([1, 60, 500, 3000])(
    "gives the same order when only %i characters are held at once",
    async (maxChars) => {
      expect(await order(0, maxChars)).toEqual(await order(0));
    },
  );

  it("puts every document first equally often", async () => {
    const few = documents.slice(0, 4);
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 2000; seed++) {
      for await (const { id } of shuffleDocuments(few, new Rng(seed))) {
        counts.set(id, (counts.get(id) ?? 0) + 1);
        break;
      }
    }
    for (const { id } of few) expect(Math.abs(counts.get(id)! - 500)).toBeLessThan(100); // 5 standard deviations
  });

  it("says so when the source gives other documents the second time", async () => {
    const once = documents[Symbol.iterator]();
    const source = { [Symbol.iterator]: () => once };
    const read = async () => {
      for await (const document of shuffleDocuments(source, new Rng(0), 100))
        expect(document.text).not.toBe("");
    };
    await expect(read()).rejects.toThrow("expected the same 200 documents in every pass, got 0");
  });
});
