import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { MemoryByteSource, type ByteSource } from "@sdmprune/model-io";
import { concatDocuments, readDocuments, type ReadDocumentsOptions } from "./read-documents.js";
import type { Document } from "./document.js";

function bytesSource(content: string | Uint8Array): ByteSource {
  return new MemoryByteSource(typeof content === "string" ? new TextEncoder().encode(content) : content);
}

async function read(
  name: string,
  content: string | Uint8Array,
  options: Partial<ReadDocumentsOptions> = {},
): Promise<Document[]> {
  const documents: Document[] = [];
  for await (const document of readDocuments(bytesSource(content), { name, ...options }))
    documents.push(document);
  return documents;
}

const texts = (documents: Document[]) =>
  documents.map((document) => ("text" in document ? document.text : undefined));

describe("readDocuments of text", () => {
  it("splits at <|endoftext|> marks when there are any, and keeps blank lines inside a document", async () => {
    const documents = await read("t.txt", "One.\n\nMore.\n<|endoftext|>\nTwo.\n<|endoftext|>\n");
    expect(documents).toEqual([
      { id: "t.txt#1", text: "One.\n\nMore." },
      { id: "t.txt#2", text: "Two." },
    ]);
  });

  it("splits at blank lines otherwise, and keeps indentation", async () => {
    expect(texts(await read("t.txt", "  a\nb\r\n\r\n \n\nc"))).toEqual(["  a\nb", "c"]);
  });

  it("has no documents in an empty file", async () => {
    expect(await read("t.txt", "")).toEqual([]);
  });

  it("names the document whose bytes are not UTF-8", async () => {
    const bytes = new Uint8Array([0x61, 0x0a, 0x0a, 0xff, 0xfe]);
    await expect(read("t.txt", bytes)).rejects.toThrow(
      /^t\.txt: document 2: expected UTF-8 text, got 3 bytes that cannot be decoded/,
    );
  });
});

describe("readDocuments of JSON", () => {
  it("reads one row per line, numbered by line, and passes over blank lines and empty texts", async () => {
    const lines = '{"text":"a"}\n\n{"text":""}\n{"text":null}\r\n{"text":"b\\n"}\n';
    expect(await read("d.jsonl", lines)).toEqual([
      { id: "d.jsonl#1", text: "a" },
      { id: "d.jsonl#5", text: "b\n" },
    ]);
  });

  it("reads a .json file that is a list, {data: list}, a list of strings, or one row per line", async () => {
    expect(texts(await read("d.json", '[{"text":"a"},\n{"text":"b"}]'))).toEqual(["a", "b"]);
    expect(texts(await read("d.json", '{"version":1,"data":[{"content":"a"}]}'))).toEqual(["a"]);
    expect(texts(await read("d.json", '["a","b"]'))).toEqual(["a", "b"]);
    expect(texts(await read("d.json", '{"story":"a"}\n{"story":"b"}\n'))).toEqual(["a", "b"]);
  });

  it("prefers the usual names, then the only string field, and takes textKey over both", async () => {
    expect(texts(await read("d.jsonl", '{"title":"t","text":"a"}'))).toEqual(["a"]);
    expect(texts(await read("d.jsonl", '{"n":1,"body":"a"}'))).toEqual(["a"]);
    expect(texts(await read("d.jsonl", '{"title":"t","text":"a"}', { textKey: "title" }))).toEqual(["t"]);
  });

  it("takes rows of input_ids as they are, unless textKey asks for text", async () => {
    const line = '{"input_ids":[1,5,2],"text":"a"}';
    expect(await read("d.jsonl", line)).toEqual([{ id: "d.jsonl#1", inputIds: [1, 5, 2] }]);
    expect(texts(await read("d.jsonl", line, { textKey: "text" }))).toEqual(["a"]);
  });

  it.each([
    [
      "a line that is not JSON",
      '{"text":"a"}\n{"text":',
      /^d\.jsonl: row 2: expected one JSON value per line, got text that is not \(.*\)\. Correct or remove the line\.$/,
    ],
    [
      "a row without the field",
      '{"text":"a"}\n{"txt":"b"}',
      /^d\.jsonl: row 2: expected a field "text" as in the first row, got fields "txt"\./,
    ],
    [
      "a text that is a number",
      '{"text":"a"}\n{"text":7}',
      /^d\.jsonl: row 2: expected "text" to be a string, got 7\. Correct or remove the row\.$/,
    ],
    ["a row that is a list", "[1,2]", /^d\.jsonl: row 1: expected an object or a string, got a list\./],
    [
      "a row with several strings",
      '{"a":"x","b":"y"}',
      /^d\.jsonl: row 1: expected a field with the text .*got fields "a", "b"\. Name the field with textKey\.$/,
    ],
    [
      "an id that is no integer",
      '{"input_ids":[1,2.5]}',
      /^d\.jsonl: row 1: expected "input_ids" to hold integers from 0, got 2\.5 at position 1\./,
    ],
    ["a negative id", '{"input_ids":[1,-1]}', /got -1 at position 1/],
    ["a row of one id", '{"input_ids":[1]}', /^d\.jsonl: row 1: expected at least 2 token ids/],
    [
      "input_ids that are text",
      '{"input_ids":"1 2"}',
      /^d\.jsonl: row 1: expected "input_ids" to be a list of token ids, got "1 2"\./,
    ],
  ])("refuses %s, naming file and row", async (_, content, message) => {
    await expect(read("d.jsonl", content)).rejects.toThrow(message);
    await expect(read("d.jsonl", content)).rejects.not.toThrow(/\n/);
  });

  it("refuses an unknown textKey and an object without rows", async () => {
    await expect(read("d.jsonl", '{"text":"a"}', { textKey: "body" })).rejects.toThrow(
      'd.jsonl: row 1: expected a field "body", got fields "text". Choose another textKey.',
    );
    await expect(read("d.json", '{\n"train": []}')).rejects.toThrow(
      'd.json: expected a list of rows or {"data": [rows]}, got an object with train.',
    );
  });
});

describe("readDocuments of compressed and columnar files", () => {
  it("decompresses gzip, whatever the name says", async () => {
    const rows = '{"text":"a"}\n{"text":"b"}\n';
    for (const name of ["d.json.gz", "d.jsonl.gz", "d.jsonl"]) {
      expect(texts(await read(name, gzipSync(rows)))).toEqual(["a", "b"]);
    }
  });

  it("reads gzip of several members, as parallel compressors write it", async () => {
    const members = Buffer.concat([gzipSync("a\n\nb\n\n"), gzipSync("c")]);
    expect(texts(await read("t.txt.gz", members))).toEqual(["a", "b", "c"]);
  });

  it("stops reading early without complaint", async () => {
    const big = gzipSync('{"text":"a"}\n'.repeat(300_000));
    for await (const document of readDocuments(bytesSource(big), { name: "d.jsonl.gz" })) {
      expect(document.id).toBe("d.jsonl.gz#1");
      break;
    }
  });

  it("refuses a gzip file that is cut or damaged", async () => {
    const whole = gzipSync(
      Buffer.from(Array.from({ length: 5000 }, (_, i) => `{"text":"${(i * 7919) % 5003}"}`).join("\n")),
    );
    const damaged = Uint8Array.from(whole, (byte, i) => (i === 200 ? byte ^ 0xff : byte));
    for (const bytes of [whole.subarray(0, whole.length >> 1), damaged]) {
      await expect(read("d.jsonl.gz", bytes)).rejects.toThrow(/^d\.jsonl\.gz: /);
    }
    await expect(read("d.jsonl.gz", whole.subarray(0, whole.length >> 1))).rejects.toThrow(
      /^d\.jsonl\.gz: expected gzip data, got a damaged or cut file \(.*\)\. Fetch it again\.$/,
    );
  });

  it("reads the text column of Parquet over several row groups", async () => {
    const data = Array.from({ length: 25 }, (_, i) => (i === 3 ? null : `document ${i}`));
    const buffer = parquetWriteBuffer({
      columnData: [
        { name: "n", data: data.map((_, i) => i), type: "INT32" },
        { name: "text", data, type: "STRING", nullable: true },
      ],
      rowGroupSize: 10,
    });
    const documents = await read("p.parquet", new Uint8Array(buffer));
    expect(documents).toHaveLength(24);
    expect(documents[0]).toEqual({ id: "p.parquet#1", text: "document 0" });
    expect(documents[3]).toEqual({ id: "p.parquet#5", text: "document 4" });
    expect(documents.at(-1)).toEqual({ id: "p.parquet#25", text: "document 24" });
  });

  it("reads input_ids of Parquet, 64-bit ones too", async () => {
    const ids = [
      [1, 2, 3],
      [4, 5],
    ];
    const list = [
      { name: "root", num_children: 1 },
      { name: "input_ids", repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      { name: "element", repetition_type: "OPTIONAL", type: "INT64" },
    ] as const;
    const buffer = parquetWriteBuffer({
      columnData: [{ name: "input_ids", data: ids.map((row) => row.map(BigInt)) }],
      schema: [...list],
    });
    expect(await read("p.parquet", new Uint8Array(buffer))).toEqual([
      { id: "p.parquet#1", inputIds: [1, 2, 3] },
      { id: "p.parquet#2", inputIds: [4, 5] },
    ]);
  });

  it("refuses a file that is not Parquet, and one that is cut", async () => {
    const whole = new Uint8Array(
      parquetWriteBuffer({ columnData: [{ name: "text", data: ["a"], type: "STRING" }] }),
    );
    for (const bytes of [new TextEncoder().encode("text"), whole.subarray(0, whole.length - 6)]) {
      await expect(read("p.parquet", bytes)).rejects.toThrow(
        /^p\.parquet: expected a Parquet file, got one that cannot be read/,
      );
    }
  });

  it("tells the format by content when the name does not, and refuses other binaries", async () => {
    expect(texts(await read("corpus", '{"text":"a"}'))).toEqual(["a"]);
    expect(texts(await read("corpus", "plain"))).toEqual(["plain"]);
    const parquet = parquetWriteBuffer({ columnData: [{ name: "text", data: ["a"], type: "STRING" }] });
    expect(texts(await read("corpus", new Uint8Array(parquet)))).toEqual(["a"]);
    await expect(read("d.zst", new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 1]))).rejects.toThrow(
      /^d\.zst: expected \.txt, \.jsonl, \.json, \.csv, \.tsv \(each may be \.gz\) or \.parquet, got a binary file of another kind\./,
    );
  });
});

describe("DocumentSource", () => {
  it("names its files with size and SHA-256", async () => {
    const source = readDocuments(bytesSource("abc"), { name: "t.txt" });
    expect(await source.files()).toEqual([
      // of FIPS 180-2, appendix B.1
      {
        name: "t.txt",
        sizeBytes: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      },
    ]);
  });

  it("joins sources in order and can be read again", async () => {
    const source = concatDocuments("both", [
      readDocuments(bytesSource("a"), { name: "1.txt" }),
      readDocuments(bytesSource("b"), { name: "2.txt" }),
    ]);
    for (let pass = 0; pass < 2; pass++) {
      const ids: string[] = [];
      for await (const document of source) ids.push(document.id);
      expect(ids).toEqual(["1.txt#1", "2.txt#1"]);
    }
    expect((await source.files()).map((file) => file.name)).toEqual(["1.txt", "2.txt"]);
  });
});
