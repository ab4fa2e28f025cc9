import { ConfigError } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { expandCells } from "./cells.js";
import { parseExperiment, type Experiment } from "./experiment.js";

const parse = (raw: object, env: Record<string, string> = {}): Experiment =>
  parseExperiment(raw, { where: "trial.yaml", folder: "/experiments", env });

const LEAST = { model: "org/name", methods: ["taylor"], ratios: [0.2] };

describe("an experiment file", () => {
  it("starts relative paths at its folder, fills in variables, and leaves names of hubs and packages alone", () => {
    const experiment = parse(
      {
        ...LEAST,
        calibration: { source: "${DATA:-../data}/c4.jsonl", text_key: "text" },
        perplexity: [{ text: "${TEXT}", max_windows: 4 }],
        plugins: ["./mine.ts", "@scope/package"],
      },
      { TEXT: "/there/wiki.txt" },
    );
    expect(experiment).toMatchObject({
      model: "org/name",
      calibration: { source: "/data/c4.jsonl", textKey: "text" },
      perplexity: [{ text: "/there/wiki.txt", maxWindows: 4 }],
      plugins: ["/experiments/mine.ts", "@scope/package"],
      seeds: [{ seed: 0 }],
    });
  });

  it.each([
    ["no object", [], "trial.yaml: expected an experiment with model, methods and ratios, got a list of 0."],
    [
      "a slip in a key",
      { ...LEAST, ratoi: [1] },
      'trial.yaml: unknown key "ratoi" (did you mean "ratios"?).',
    ],
    [
      "mistakes within, each with its path",
      {
        ...LEAST,
        calibration: { source: "a.txt", seqlen: 1 },
        methods: ["taylor", { label: "x" }],
        ratios: [2],
      },
      'trial.yaml: "methods.1.name": expected string, got nothing; "ratios.0": expected less than 1, got 2; "calibration.seqlen": expected at least 2, got 1.',
    ],
    [
      "an unknown key within",
      { ...LEAST, tasks: { names: ["piqa"], data_folder: "x" } },
      'trial.yaml: unknown key "tasks.data_folder".',
    ],
    [
      "a label twice",
      { ...LEAST, methods: ["taylor", "taylor"] },
      'trial.yaml: "methods.1": "taylor" is the label of method 0 too; give one of them a label.',
    ],
    [
      "a reference that is none of the methods",
      { ...LEAST, reference: "tailor" },
      'trial.yaml: "reference": no method is called "tailor" (did you mean "taylor"?).',
    ],
    [
      "a ratio that is not in the grid",
      { ...LEAST, seeds: [0, { seed: 1, ratios: [0.3] }] },
      'trial.yaml: "seeds.1.ratios": 0.3 is none of the ratios (0.2).',
    ],
    ["a seed twice", { ...LEAST, seeds: [0, 0] }, 'trial.yaml: "seeds.1": seed 0 is there already.'],
    [
      "a variable that is not set",
      { ...LEAST, perplexity: [{ text: "${NOWHERE}/a.txt" }] },
      'trial.yaml: "perplexity.0.text": expected the environment variable NOWHERE to be set. Set it, or write a path.',
    ],
  ])("names %s", (_, raw, message) => {
    expect(() => parse(raw)).toThrow(new ConfigError(message));
  });

  it("becomes a grid: some ratios at some seeds, tasks at some of both, samples shared where they are the same", () => {
    const cells = expandCells(
      parse({
        ...LEAST,
        methods: ["a", { name: "a", label: "b", calibration: { nsamples: 8 } }],
        ratios: [0.2, 0.3],
        seeds: [0, { seed: 1, ratios: [0.3] }],
        calibration: { source: "./c4.txt" },
        perplexity: [{ text: "./wiki.txt" }],
        tasks: { names: ["piqa"], ratios: [0.2] },
      }),
    );
    expect(cells.map(({ id }) => id)).toEqual([
      ...["dense/perplexity:wiki", "dense/tasks", "score/seed0", "score/seed0/samples2"],
      ...["a", "b"].flatMap((label) => [
        ...[`${label}/20/seed0/prune`, `${label}/20/seed0/perplexity:wiki`, `${label}/20/seed0/tasks`],
        ...[`${label}/30/seed0/prune`, `${label}/30/seed0/perplexity:wiki`],
      ]),
      ...["score/seed1", "score/seed1/samples2"],
      ...["a", "b"].flatMap((label) => [`${label}/30/seed1/prune`, `${label}/30/seed1/perplexity:wiki`]),
    ]);
  });
});
