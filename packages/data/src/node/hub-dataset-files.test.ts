import { describe, expect, it } from "vitest";
import { chooseDatasetFiles, parseHubSpec } from "./hub-dataset-files.js";

const choose = chooseDatasetFiles;

describe("parseHubSpec", () => {
  it("takes name, revision and selection apart", () => {
    expect(parseHubSpec("hub:org/name")).toEqual({
      repo: "org/name",
      revision: undefined,
      selection: undefined,
    });
    expect(parseHubSpec("hub:org/name@refs/convert/parquet:default/train")).toEqual({
      repo: "org/name",
      revision: "refs/convert/parquet",
      selection: "default/train",
    });
  });

  it.each(["hub:name", "hub:a/b/c", "hub:a/b:", "hub:"])("refuses %s", (spec) => {
    expect(() => parseHubSpec(spec)).toThrow(`${spec}: expected hub:org/name, hub:org/name:config/split or`);
  });
});

describe("chooseDatasetFiles", () => {
  const wikitext = [
    ".gitattributes",
    "README.md",
    "wikitext-103-raw-v1/test-00000-of-00001.parquet",
    "wikitext-2-raw-v1/test-00000-of-00001.parquet",
    "wikitext-2-raw-v1/train-00000-of-00001.parquet",
    "wikitext-2-v1/test-00000-of-00001.parquet",
  ];
  const c4 = [
    "en/c4-train.00000-of-01024.json.gz",
    "en/c4-train.00001-of-01024.json.gz",
    "en.noblocklist/c4-train.00000-of-01024.json.gz",
  ];

  it("finds config and split in the hub's layouts", () => {
    expect(choose(wikitext, "hub:o/n:wikitext-2-raw-v1/test")).toEqual([
      "wikitext-2-raw-v1/test-00000-of-00001.parquet",
    ]);
    expect(
      choose(["data/train-00000-of-00002.parquet", "data/test-0.parquet"], "hub:o/n:default/train"),
    ).toEqual(["data/train-00000-of-00002.parquet"]);
    expect(choose(["train.jsonl", "valid.jsonl", "dataset_infos.json"], "hub:o/n:train")).toEqual([
      "train.jsonl",
    ]);
  });

  it("takes all data files without a selection, and one format of several", () => {
    expect(choose(["b.jsonl", "a.jsonl", "README.md", "dataset_infos.json"], "hub:o/n")).toEqual([
      "a.jsonl",
      "b.jsonl",
    ]);
    expect(choose(["train.jsonl", "train.parquet"], "hub:o/n")).toEqual(["train.parquet"]);
  });

  it("takes a file by its path, and prefers a folder of that name to a part of a name", () => {
    expect(choose(c4, `hub:o/n:${c4[1]}`)).toEqual([c4[1]]);
    expect(choose(c4, "hub:o/n:en")).toEqual([c4[0], c4[1]]);
  });

  it("refuses more files than can be meant, naming one to ask for", () => {
    const shards = Array.from(
      { length: 1024 },
      (_, i) => `en/c4-train.${String(i).padStart(5, "0")}.json.gz`,
    );
    expect(() => choose(shards, "hub:allenai/c4:en")).toThrow(
      "hub:allenai/c4:en: expected at most 8 files, got 1024. Name one: hub:allenai/c4:en/c4-train.00000.json.gz.",
    );
  });

  it("lists what there is when nothing fits", () => {
    expect(() => choose(["a.jsonl", "README.md"], "hub:o/n:test")).toThrow(
      'hub:o/n:test: expected .parquet, .jsonl, .json, .csv or .txt files for "test", got none in the repository, which has a.jsonl. Name one: hub:o/n:path/of/file.',
    );
    expect(() => choose(["model.bin"], "hub:o/n")).toThrow(
      "got none in the repository, which has model.bin.",
    );
  });
});
