import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { alpacaPrompt } from "../training/alpaca-prompt.js";
import { openTrainingData } from "./open-training-data.js";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "sdmprune-training-data-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function write(name: string, content: string | Uint8Array): Promise<string> {
  await mkdir(join(dir, name, ".."), { recursive: true });
  await writeFile(join(dir, name), content);
  return join(dir, name);
}

async function examples(specs: string | string[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const example of await openTrainingData(specs)) found.push(example);
  return found;
}

describe("openTrainingData", () => {
  it("reads Parquet by row groups, numbering rows through the file", async () => {
    const buffer = parquetWriteBuffer({
      columnData: [
        { name: "instruction", data: ["a", "b", "c"] },
        { name: "response", data: ["A", "B", "C"] },
      ],
      rowGroupSize: 2,
    });
    const path = await write("lamini.parquet", new Uint8Array(buffer));
    expect(await examples(path)).toEqual(
      ["a", "b", "c"].map((instruction, i) => ({
        id: `lamini.parquet: row ${i + 1}`,
        prompt: alpacaPrompt(instruction),
        response: instruction.toUpperCase(),
      })),
    );
  });

  it("reads the data files of a folder, and several names one after another", async () => {
    await write("set/train-00000.jsonl", '{"instruction":"i","output":"o"}\n');
    await write("set/train-00001.jsonl", '{"instruction":"j","output":"p"}\n');
    await write("set/README.md", "Not data.");
    const text = await write("more.txt", "One.\n\nTwo.\n");
    expect(await examples([join(dir, "set"), text])).toMatchObject([
      { response: "o" },
      { response: "p" },
      { id: "more.txt#1", text: "One." },
      { id: "more.txt#2", text: "Two." },
    ]);
  });

  it("hashes the files", async () => {
    const source = await openTrainingData([await write("a.txt", "a"), await write("b.txt", "b")]);
    expect((await source.files()).map(({ name, sha256 }) => `${name} ${sha256.slice(0, 8)}`)).toEqual([
      "a.txt ca978112",
      "b.txt 3e23e816",
    ]);
  });

  it("says what is not there", async () => {
    await expect(openTrainingData(join(dir, "nowhere.jsonl"))).rejects.toThrow(
      /nowhere\.jsonl: expected a file or folder with rows, got: ENOENT.*Check the path\.$/,
    );
    await expect(openTrainingData("hub:alpaca")).rejects.toThrow(
      "hub:alpaca: expected hub:org/name, hub:org/name:config/split or hub:org/name:path/of/file",
    );
  });
});
