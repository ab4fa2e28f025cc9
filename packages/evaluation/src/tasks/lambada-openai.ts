import { z } from "zod";
import type { VersionedTask } from "../task-config.js";

/** The last word of a passage (Paperno et al. 2016, https://arxiv.org/abs/1606.06031), in OpenAI's formatting. */
export const lambadaOpenai: VersionedTask = {
  pinned: {
    task: "lambada_openai",
    tag: ["lambada"],
    datasetPath: "EleutherAI/lambada_openai",
    datasetName: "default",
    outputType: "loglikelihood",
    testSplit: "test",
    docToText: "{{text.split(' ')[:-1]|join(' ')}}",
    docToTarget: "{{' '+text.split(' ')[-1]}}",
    shouldDecontaminate: true,
    docToDecontaminationQuery: "{{text}}",
    metricList: [
      { metric: "perplexity", aggregation: "perplexity", higherIsBetter: false },
      { metric: "acc", aggregation: "mean", higherIsBetter: true },
    ],
    metadata: { version: 1.0 },
    columns: z.looseObject({ text: z.string() }),
    data: {
      repo: "EleutherAI/lambada_openai",
      selection: "data/lambada_test.jsonl",
      localFiles: ["lambada/lambada_test.jsonl"],
    },
  },
};
