import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Host } from "@sdmprune/core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  evaluate,
  evaluationPlugin,
  requestLine,
  type Doc,
  type LanguageModel,
  type Loglikelihood,
  type Task,
} from "../src/index.js";
import { loadTaskDocuments } from "../src/node.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const SHARED = process.env["SDMPRUNE_SHARED"] ?? join(ROOT, "../shared");
const DATA = join(SHARED, "data");
const isAbsent = !existsSync(join(SHARED, "fixtures/evaluation"));

const fixture = async <T>(name: string) =>
  JSON.parse(await readFile(join(SHARED, "fixtures/evaluation", name), "utf8")) as T;
interface Hashes {
  readonly tasks: Record<
    string,
    { docs: number; requests: number; sha256_of_requests: string; version: number }
  >;
}
type Example = { doc: Doc; requests: string[][]; target: unknown };
interface Scoring {
  readonly task_order: string[];
  readonly expected: Record<string, Record<string, number>>;
}
interface Extra {
  readonly hellaswag: { raw: Doc; query: string; choices: string[]; requests: string[][]; target: number }[];
}
const createTask = async (name: string, version = "pinned") =>
  (await new Host().use(evaluationPlugin).registries.tasks.create(name, { version })) as Task;

/** What an answer of lm-eval's own test double would be: a hash of the request's number. */
function pseudoModel(taskIndex: number): LanguageModel {
  const answer = (i: number): Loglikelihood => {
    let h = (i * 2654435761 + taskIndex * 40503 + 12345) % 2 ** 32;
    h = (h ^ (h >>> 15)) >>> 0;
    h = Number((BigInt(h) * 2246822519n) % 2n ** 32n);
    h = (h ^ (h >>> 13)) >>> 0;
    return { logprob: -((h >>> 12) + 1) / 65536, isGreedy: i % 3 === 0, numTokens: 1 };
  };
  const all = async <R>(n: number, of: (i: number) => R, onResult?: (i: number, r: R) => void) =>
    Array.from({ length: n }, (_, i) => {
      onResult?.(i, of(i));
      return of(i);
    });
  return {
    loglikelihood: (requests, options) => all(requests.length, answer, options?.onResult),
    loglikelihoodRolling: (texts, options) => all(texts.length, (i) => answer(i).logprob, options?.onResult),
    generateUntil: () => Promise.reject(new Error("not asked")),
  };
}

describe.skipIf(isAbsent)("lm-eval's requests and scores (needs ../shared)", () => {
  let hashes: Hashes;
  let micro: Record<string, Example[]>;
  let scoring: Scoring;
  beforeAll(async () => {
    hashes = await fixture("request_hashes.json");
    micro = await fixture("micro_examples.json");
    scoring = await fixture("scoring_fixtures.json");
  });

  const HASHED = [
    "arc_easy",
    "boolq",
    "openbookqa",
    "truthfulqa_mc1",
    "truthfulqa_mc2",
    "wikitext",
    "lambada_openai",
  ];

  it("has a hash for each task that the fixtures have one for", () => {
    expect(Object.keys(hashes.tasks).sort()).toEqual([...HASHED].sort());
  });

  it.each(HASHED)("%s asks the same, byte for byte, and scores the same", async (name) => {
    const { docs, requests, sha256_of_requests, version } = hashes.tasks[name]!;
    const loaded = await loadTaskDocuments(await createTask(name), { dataDir: DATA });
    expect(loaded.task.version).toBe(version);
    expect(loaded.documents.length).toBe(docs);
    const lines = loaded.documents.flatMap((document) => loaded.task.requests(document).map(requestLine));
    expect(lines.length).toBe(requests);
    expect(createHash("sha256").update(lines.join("")).digest("hex")).toBe(sha256_of_requests);

    const model = pseudoModel(scoring.task_order.indexOf(name));
    // The bootstrap of lambada's perplexity has its own fixture.
    const isBootstrapped = name === "lambada_openai";
    const [result] = await evaluate(model, [loaded], { bootstrapIters: 1 });
    for (const { metric, value, stderr } of result!.metrics) {
      const expected = scoring.expected[name]!;
      expect(Math.abs(value / expected[metric]! - 1)).toBeLessThan(1e-12);
      if (isBootstrapped && metric === "perplexity") continue;
      if (expected[`${metric}_stderr`] === undefined) expect(stderr).toBeUndefined();
      else expect(Math.abs(stderr! / expected[`${metric}_stderr`]! - 1)).toBeLessThan(1e-12);
    }
  });

  const MICRO = [
    "arc_easy",
    "arc_challenge",
    "boolq",
    "crows_pairs_english",
    "openbookqa",
    "piqa",
    "race",
    "social_iqa",
    "truthfulqa_mc1",
    "truthfulqa_mc2",
    "winogrande",
    "hellaswag",
    "wikitext",
    "lambada_openai",
  ];
  it.each(MICRO)("%s makes the worked examples' requests", async (name) => {
    const task = await createTask(name);
    for (const [i, { doc, requests, target }] of micro[name]!.entries()) {
      const document = task.document({ id: `micro: row ${i + 1}`, value: doc });
      const made = task.requests(document).map((request) => JSON.parse(requestLine(request)) as unknown);
      if (name === "wikitext") {
        // The fixture's page and request are both cut to the same length.
        expect((made[0] as string[])[0]!.slice(0, 300)).toBe(requests[0]![0]!.slice(0, 300));
        continue;
      }
      expect(made).toEqual(requests);
      // The answer that is compared with: of winogrande the context, whose continuation is the target.
      if (name === "winogrande") expect(Number(doc["answer"]) - 1).toBe(target);
      else expect(task.target(document)).toBe(target);
    }
  });

  it("prepares hellaswag's raw rows as lm-eval does", async () => {
    const task = await createTask("hellaswag");
    const { hellaswag } = await fixture<Extra>("extra_examples.json");
    for (const { raw, query, choices, requests, target } of hellaswag) {
      const document = task.document({ id: "raw: row 1", value: raw });
      expect(document.doc).toMatchObject({ query, choices });
      expect(task.requests(document).map((request) => JSON.parse(requestLine(request)) as unknown)).toEqual(
        requests,
      );
      expect(task.target(document)).toBe(target);
    }
  });

  it.each([
    ["arc_challenge", 1172, 4687],
    ["crows_pairs_english", 1677, 3354],
    ["piqa", 1838, 3676],
    ["race", 1045, 4180],
    ["social_iqa", 1954, 5862],
    ["winogrande", 1267, 2534],
    ["hellaswag", 1000, 4000],
  ])("%s has %i documents and %i requests", async (name, numDocuments, numRequests) => {
    const { task, documents } = await loadTaskDocuments(await createTask(name), { dataDir: DATA });
    expect(documents.length).toBe(numDocuments);
    expect(documents.flatMap((document) => task.requests(document)).length).toBe(numRequests);
  });
});
