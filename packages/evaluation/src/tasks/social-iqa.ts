import { z } from "zod";
import type { VersionedTask } from "../task-config.js";
import { ACC } from "./metric-lists.js";

/** Social common sense (Sap et al. 2019, https://arxiv.org/abs/1904.09728). */
export const socialIqa: VersionedTask = {
  pinned: {
    task: "social_iqa",
    datasetPath: "social_i_qa",
    outputType: "multiple_choice",
    trainingSplit: "train",
    validationSplit: "validation",
    docToText: "Q: {{context}} {{question}}\nA:",
    docToTarget: "{{ (label|int) - 1}}",
    docToChoice: "{{[answerA, answerB, answerC]}}",
    metricList: ACC,
    metadata: { version: 0.0 },
    columns: z.looseObject({
      context: z.string(),
      question: z.string(),
      answerA: z.string(),
      answerB: z.string(),
      answerC: z.string(),
      label: z.enum(["1", "2", "3"]),
    }),
    data: { repo: "lighteval/siqa", selection: "validation", localFiles: ["social_iqa/dev.jsonl"] },
  },
  current: { datasetPath: "lighteval/siqa" },
};
