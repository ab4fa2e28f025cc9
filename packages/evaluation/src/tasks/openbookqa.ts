import { z } from "zod";
import type { VersionedTask } from "../task-config.js";
import { ACC_AND_ACC_NORM } from "./metric-lists.js";
import { reshapeQuestion } from "./reshape-question.js";

/** OpenBookQA (Mihaylov et al. 2018, https://arxiv.org/abs/1809.02789). */
export const openbookqa: VersionedTask = {
  pinned: {
    task: "openbookqa",
    datasetPath: "openbookqa",
    datasetName: "main",
    outputType: "multiple_choice",
    trainingSplit: "train",
    validationSplit: "validation",
    testSplit: "test",
    docToText: "question_stem",
    docToTarget: "{{choices.label.index(answerKey.lstrip())}}",
    docToChoice: "{{choices.text}}",
    shouldDecontaminate: true,
    docToDecontaminationQuery: "question_stem",
    metricList: ACC_AND_ACC_NORM,
    metadata: { version: 1.0 },
    columns: z.looseObject({
      question_stem: z.string(),
      choices: z.looseObject({ text: z.array(z.string()), label: z.array(z.string()) }),
      answerKey: z.string(),
    }),
    reshapeRow: (row) => reshapeQuestion(row, "question_stem"),
    data: { repo: "allenai/openbookqa", selection: "main/test", localFiles: ["openbookqa/test.jsonl"] },
  },
  current: { datasetPath: "allenai/openbookqa" },
};
