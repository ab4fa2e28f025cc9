import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import onnxPlugin from "@sdmprune/backend-onnx";
import { Host } from "@sdmprune/core";
import { openCheckpoint, openTokenizer } from "@sdmprune/model-io/node";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { selectBackend, tf } from "@sdmprune/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { causalLanguageModel } from "../src/causal-lm.js";
import { evaluate, evaluationPlugin, requestLine, type LanguageModel, type Task } from "../src/index.js";
import { loadTaskDocuments } from "../src/node.js";

/** Of tools/reference/lm_eval_tasks.py: lm-evaluation-harness on PyTorch, float32. */
interface Fixture {
  addBos: boolean;
  tasks: Record<
    string,
    {
      limit: number;
      requestsSha256: string;
      metrics: Record<string, number>;
      documents: ({ responses: ([number, boolean] | number)[] } & Record<string, number>)[];
    }
  >;
}

const shared = process.env["SDMPRUNE_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const folder = join(shared, "checkpoints/stories260K");
const dataDir = join(shared, "data");
const isThere = existsSync(folder) && existsSync(dataDir);
const { addBos, tasks } = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures/stories260k-lm-eval.json"), "utf8"),
) as Fixture;

describe.skipIf(!isThere)("stories260K and lm-eval (skipped without SDMPRUNE_SHARED)", () => {
  let model: CausalLM;
  let lm: (batchSize: number | "auto") => LanguageModel;
  beforeAll(async () => {
    await selectBackend(new Host().use(onnxPlugin).registries);
    const checkpoint = await openCheckpoint(folder);
    model = await llamaFamily.load(checkpoint, llamaFamily.parseConfig(checkpoint.config), {});
    const tokenizer = await openTokenizer(folder);
    lm = (batchSize) => causalLanguageModel(model, tokenizer, { batchSize, addBos });
  });
  afterAll(() => model.dispose());

  const load = async (name: string, limit: number) => {
    const task = (await new Host().use(evaluationPlugin).registries.tasks.create(name, {})) as Task;
    return loadTaskDocuments(task, { dataDir, limit });
  };

  it.each(Object.keys(tasks))("%s has lm-eval's numbers, document by document", async (name) => {
    const expected = tasks[name]!;
    const [result] = await evaluate(lm("auto"), [await load(name, expected.limit)]);
    const asked = result!.documents.flatMap(({ requests }) => requests.map(requestLine)).join("");
    expect(createHash("sha256").update(asked).digest("hex")).toBe(expected.requestsSha256);

    expect(result!.documents.length).toBe(expected.documents.length);
    result!.documents.forEach(({ responses, metrics }, d) => {
      const { responses: references, ...referenceMetrics } = expected.documents[d]!;
      responses.forEach((response, r) => {
        const reference = references[r]!;
        if (typeof response === "object") {
          const [logprob, isGreedy] = reference as [number, boolean];
          expect(Math.abs(response.logprob - logprob)).toBeLessThan(1e-3);
          expect(response.isGreedy).toBe(isGreedy);
        } else {
          // lm-eval sums a window's logprobs in float32: a page's is off by a millionth of itself.
          expect(Number(response) / (reference as number)).toBeCloseTo(1, 6);
        }
      });
      for (const [metric, value] of Object.entries(referenceMetrics)) {
        const isContinuous = metric === "likelihood_diff" || name === "truthfulqa_mc2";
        if (isContinuous) expect(metrics[metric]).toBeCloseTo(value, 3);
        else expect(metrics[metric]).toBe(value);
      }
    });
    const aggregates = Object.fromEntries(result!.metrics.map(({ metric, value }) => [metric, value]));
    for (const [metric, value] of Object.entries(expected.metrics)) {
      expect(Number(aggregates[metric]) / value).toBeCloseTo(1, 4);
    }
  });

  it("gives the same bits with batches of 1, 4, 32 and as many as fit, and leaves no tensor", async () => {
    const loaded = [await load("arc_easy", 10), await load("crows_pairs_english", 5), await load("race", 1)];
    const answers = async (batchSize: number | "auto") =>
      (await evaluate(lm(batchSize), loaded)).map(({ documents }) =>
        documents.map(({ responses }) => responses),
      );
    const one = await answers(1);
    const before = tf.memory().numTensors;
    for (const batchSize of [4, 32, "auto"] as const) expect(await answers(batchSize)).toEqual(one);
    expect(tf.memory().numTensors).toBe(before);
  });
});
