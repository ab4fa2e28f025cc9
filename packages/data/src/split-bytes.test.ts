import { describe, expect, it } from "vitest";
import { splitBytes } from "./split-bytes.js";

const encode = (text: string) => new TextEncoder().encode(text);

async function split(chunks: string[], delimiter: string): Promise<string[]> {
  async function* stream() {
    for (const chunk of chunks) yield encode(chunk);
  }
  const pieces: string[] = [];
  for await (const piece of splitBytes(stream(), encode(delimiter)))
    pieces.push(new TextDecoder().decode(piece));
  return pieces;
}

describe("splitBytes", () => {
  it("gives the pieces between delimiters, the last one perhaps empty", async () => {
    expect(await split(["a\nbc\n\nd\n"], "\n")).toEqual(["a", "bc", "", "d", ""]);
    expect(await split([], "\n")).toEqual([""]);
  });

  it("gives the same pieces wherever the chunks are cut", async () => {
    const text = "one<|x|>two<|<|x|><|x|>three<|x";
    const expected = text.split("<|x|>");
    for (let size = 1; size <= text.length; size++) {
      const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size),
      );
      expect(await split(chunks, "<|x|>")).toEqual(expected);
    }
  });
});
