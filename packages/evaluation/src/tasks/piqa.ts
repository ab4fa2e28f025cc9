import { z } from "zod";
import type { VersionedTask } from "../task-config.js";
import { ACC_AND_ACC_NORM } from "./metric-lists.js";

/** Physical common sense (Bisk et al. 2020, https://arxiv.org/abs/1911.11641). Solutions keep their spaces. */
export const piqa: VersionedTask = {
  pinned: {
    task: "piqa",
    datasetPath: "piqa",
    outputType: "multiple_choice",
    trainingSplit: "train",
    validationSplit: "validation",
    docToText: "Question: {{goal}}\nAnswer:",
    docToTarget: "label",
    docToChoice: "{{[sol1, sol2]}}",
    shouldDecontaminate: true,
    docToDecontaminationQuery: "goal",
    metricList: ACC_AND_ACC_NORM,
    metadata: { version: 1.0 },
    columns: z.looseObject({ goal: z.string(), sol1: z.string(), sol2: z.string(), label: z.int() }),
    reshapeRow: (row) =>
      row["label"] === "0" || row["label"] === "1" ? { ...row, label: Number(row["label"]) } : row,
    data: { repo: "baber/piqa", selection: "validation", localFiles: ["piqa/valid.jsonl"] },
  },
  current: { datasetPath: "baber/piqa" },
};
