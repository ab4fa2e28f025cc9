import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openRows } from "./open-rows.js";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "sdmprune-rows-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function write(name: string, content: string | Uint8Array): Promise<string> {
  await mkdir(join(dir, name, ".."), { recursive: true });
  await writeFile(join(dir, name), content);
  return join(dir, name);
}
const values = async (spec: string, selection?: string) =>
  (await openRows(spec, { selection })).rows.map((row) => row.value);

describe("openRows", () => {
  it("reads a tab-separated file with quoted fields under the name .csv, naming the index column id", async () => {
    const path = await write("pairs.csv", '\tmore\tless\n0\t"a ""b""\nc"\td, e\n1\tf\t\n');
    expect(await values(path)).toEqual([
      { id: "0", more: 'a "b"\nc', less: "d, e" },
      { id: "1", more: "f", less: "" },
    ]);
  });

  it("reads every column of Parquet, 64-bit integers as numbers", async () => {
    const buffer = parquetWriteBuffer({
      columnData: [
        { name: "text", data: ["a", "b"] },
        { name: "label", data: [1n, 0n], type: "INT64" },
      ],
    });
    const path = await write("rows.parquet", new Uint8Array(buffer));
    expect(await values(path)).toEqual([
      { text: "a", label: 1 },
      { text: "b", label: 0 },
    ]);
  });

  it("adds the labels that stand in a file beside the rows", async () => {
    const path = await write("dev.jsonl", '{"a":1}\n{"a":2}\n');
    await write("dev-labels.lst", "x\ny\n");
    expect(await values(path)).toEqual([
      { a: 1, label: "x" },
      { a: 2, label: "y" },
    ]);
    await write("dev-labels.lst", "x\n");
    await expect(openRows(path)).rejects.toThrow(
      "dev-labels.lst: expected 2 labels, one for each row of dev.jsonl, got 1. Fetch both files again.",
    );
  });

  it("chooses the split of a folder laid out as on the hub, and hashes what it read", async () => {
    await write("hub/main/test-00000-of-00001.jsonl", '{"a":1}\n');
    await write("hub/main/train-00000-of-00001.jsonl", '{"a":2}\n');
    await write("hub/other/test-00000-of-00001.jsonl", '{"a":3}\n');
    const { rows, files } = await openRows(join(dir, "hub"), { selection: "main/test" });
    expect(rows).toEqual([{ id: "test-00000-of-00001.jsonl: row 1", value: { a: 1 } }]);
    expect(files).toEqual([
      {
        name: "test-00000-of-00001.jsonl",
        sizeBytes: 8,
        sha256: "e346432021b04179518d9614f3560ccd71354a4ee101ddcb893d6959a9d6301c",
      },
    ]);
  });

  it.each([
    [
      "bad.jsonl",
      '{"a":1}\n{"a":\n',
      /^bad\.jsonl: row 2: expected one JSON value per line, got text that is not/,
    ],
    ["list.jsonl", "[1]\n", /^list\.jsonl: row 1: expected an object with fields, got a list\./],
    ["bad.json", "{", /^bad\.json: expected JSON, got text that is not/],
    ["one.json", '{"a":1}', /^one\.json: expected a list of rows or \{"data": \[rows\]\}, got one object\./],
    [
      "open.csv",
      'a,b\n"1,2\n',
      /^open\.csv: line \d: expected rows of fields separated by commas, got a malformed row/,
    ],
    [
      "short.tsv",
      "a\tb\n1\n",
      /^short\.tsv: line 2: expected rows of fields separated by tabs, got a malformed row/,
    ],
    ["text.txt", "words", /^text\.txt: expected rows \(.*\), got plain text\./],
  ])("refuses %s in one line", async (name, content, message) => {
    await expect(openRows(await write(name, content))).rejects.toThrow(message);
  });

  it("says which path is missing", async () => {
    await expect(openRows(join(dir, "absent"))).rejects.toThrow(
      /absent: expected a file or folder with rows, got:/,
    );
  });
});
