import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { definePlugin, Host } from "@sdmprune/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startHubServer, type HubServer } from "../../../model-io/test/hub-server.js";
import type { Document, DocumentSource } from "../document.js";
import { sampleWindows } from "../sample-windows.js";
import { openDocuments } from "./open-documents.js";
import { readTextFile } from "./read-text-file.js";

async function collect(source: DocumentSource): Promise<Document[]> {
  const documents: Document[] = [];
  for await (const document of source) documents.push(document);
  return documents;
}

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "data-"));
  writeFileSync(join(dir, "b.jsonl"), '{"text":"three"}\n');
  writeFileSync(join(dir, "a.txt.gz"), gzipSync("one\n\ntwo\r\n"));
  writeFileSync(join(dir, "notes.pdf"), "not data");
});
afterAll(() => rmSync(dir, { recursive: true }));

describe("openDocuments", () => {
  it("opens a file and a folder of files, ids without the folder's path", async () => {
    expect(await collect(await openDocuments(join(dir, "b.jsonl")))).toEqual([
      { id: "b.jsonl#1", text: "three" },
    ]);
    const folder = await openDocuments(dir);
    expect(await collect(folder)).toEqual([
      { id: "a.txt.gz#1", text: "one" },
      { id: "a.txt.gz#2", text: "two" },
      { id: "b.jsonl#1", text: "three" },
    ]);
    const sha256 = createHash("sha256")
      .update(readFileSync(join(dir, "b.jsonl")))
      .digest("hex");
    expect((await folder.files())[1]).toEqual({ name: "b.jsonl", sizeBytes: 17, sha256 });
  });

  it("opens a registered data set by name", async () => {
    const source: DocumentSource = { ...(await openDocuments(join(dir, "b.jsonl"))), name: "haiku" };
    const host = new Host().use(
      definePlugin({ name: "test", register: ({ datasets }) => datasets.register("haiku", () => source) }),
    );
    expect(await openDocuments("haiku", { registries: host.registries })).toBe(source);
    await expect(openDocuments(join(dir, "haiko"), { registries: host.registries })).rejects.toThrow(
      /haiko: expected a file, a folder, hub:org\/name, or a data set \(haiku\), got: ENOENT/,
    );
  });

  it("says what is missing", async () => {
    await expect(openDocuments(join(dir, "none.txt"))).rejects.toThrow(
      /none\.txt: expected a file, a folder, hub:org\/name, got: ENOENT.* Check the path\.$/,
    );
    const empty = mkdtempSync(join(tmpdir(), "data-"));
    await expect(openDocuments(empty)).rejects.toThrow("files in the folder, got none. Name a file.");
    rmSync(empty, { recursive: true });
  });
});

describe("openDocuments of a hub data set", () => {
  const rows = (text: string) => new TextEncoder().encode(`{"text":"${text}"}\n`);
  let server: HubServer;
  beforeAll(async () => {
    const files = {
      "README.md": rows("read me"),
      "en/train.jsonl": rows("train"),
      "en/test.jsonl": rows("test"),
    };
    server = await startHubServer([{ type: "dataset", name: "org/poems", files }]);
  });
  afterAll(() => server.close());

  it("downloads the files of a split, then reads them from the cache without a network", async () => {
    const cacheDir = join(dir, "cache");
    const expected = [{ id: "org/poems/en/train.jsonl#1", text: "train" }];
    const online = await openDocuments("hub:org/poems:en/train", { hubUrl: server.url, cacheDir });
    expect(await collect(online)).toEqual(expected);
    expect(server.requests.filter((request) => /README|test\.jsonl/.test(request))).toEqual([]);
    const numRequests = server.requests.length;
    const offline = await openDocuments("hub:org/poems:en/train", {
      hubUrl: server.url,
      cacheDir,
      offline: true,
    });
    expect(await collect(offline)).toEqual(expected);
    expect(server.requests).toHaveLength(numRequests);
    await expect(
      openDocuments("hub:org/poems:en/test", { hubUrl: server.url, cacheDir, offline: true }),
    ).rejects.toThrow('for "en/test", got none in the cache, which has en/train.jsonl.');
  });

  it("says when there is no such data set", async () => {
    const cacheDir = join(dir, "cache");
    await expect(openDocuments("hub:org/prose", { hubUrl: server.url, cacheDir })).rejects.toThrow(
      /org\/prose/,
    );
  });
});

describe("readTextFile", () => {
  it("gives a text file as it stands and joins the documents of a data set", async () => {
    expect((await readTextFile(join(dir, "a.txt.gz"))).text).toBe("one\n\ntwo\r\n");
    const { text, sha256 } = await readTextFile(join(dir, "b.jsonl"));
    expect(text).toBe("three");
    expect(sha256).toBe(createHash("sha256").update('{"text":"three"}\n').digest("hex"));
  });
});

const shared = process.env["SDMPRUNE_SHARED"] ?? join(import.meta.dirname, "../../../../../shared");

describe.skipIf(!existsSync(join(shared, "data")))(
  "the shared data sets (skipped without SDMPRUNE_SHARED)",
  () => {
    const words = {
      bosTokenId: 1,
      encode: (text: string) => [1, ...text.split(/\s+/).map((word) => 2 + word.length)],
    };

    // numbers counted with Python
    it.each([
      ["c4/c4-sample.01.json.gz", 10],
      ["c4/c4_demo.jsonl", 300],
      ["alpaca/alpaca_en_demo.json", 999],
      ["tinystories/tinystories_sample.txt", 2317],
    ])("reads %s", async (file, numDocuments) => {
      const options = file.startsWith("alpaca") ? { textKey: "output" } : {};
      const documents = await collect(await openDocuments(join(shared, "data", file), options));
      expect(documents).toHaveLength(numDocuments);
      expect(documents.at(-1)!.id).toBe(`${basename(file)}#${numDocuments}`);
      expect(documents.every((document) => "text" in document && document.text.trim() !== "")).toBe(true);
    });

    it("draws long documents of C4 and packs TinyStories", async () => {
      const options = { nsamples: 16, seqlen: 512, seed: 0, vocabSize: 100_000 };
      const c4 = await sampleWindows(
        await openDocuments(join(shared, "data/c4/c4_demo.jsonl")),
        words,
        options,
      );
      expect(c4.provenance.sampler).toBe("long-documents");
      const stories = await openDocuments(join(shared, "data/tinystories/tinystories_sample.txt"));
      const packed = await sampleWindows(stories, words, options);
      expect(packed.provenance.sampler).toBe("packed");
      expect(packed.samples.every(({ ids }) => ids.length === 512 && ids[0] === 1)).toBe(true);
    });
  },
);
