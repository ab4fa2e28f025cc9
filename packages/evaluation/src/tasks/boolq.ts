import { z } from "zod";
import type { VersionedTask } from "../task-config.js";
import type { Doc } from "../task.js";
import { ACC } from "./metric-lists.js";

/** Yes-or-no questions about a passage (Clark et al. 2019, https://arxiv.org/abs/1905.10044), as in SuperGLUE. */
export const boolq: VersionedTask = {
  pinned: {
    task: "boolq",
    tag: ["super-glue-lm-eval-v1"],
    datasetPath: "super_glue",
    datasetName: "boolq",
    outputType: "multiple_choice",
    trainingSplit: "train",
    validationSplit: "validation",
    docToText: "{{passage}}\nQuestion: {{question}}?\nAnswer:",
    docToTarget: "label",
    docToChoice: ["no", "yes"],
    shouldDecontaminate: true,
    docToDecontaminationQuery: "passage",
    metricList: ACC,
    metadata: { version: 2.0 },
    columns: z.looseObject({ passage: z.string(), question: z.string(), label: z.int() }),
    reshapeRow: withNumericLabel,
    data: { repo: "aps/super_glue", selection: "boolq/validation", localFiles: ["boolq/val.jsonl"] },
  },
  current: { datasetPath: "aps/super_glue" },
};

/** BoolQ's own files say `answer: true` or `label: "true"` where SuperGLUE has 1. */
function withNumericLabel(row: Doc): Doc {
  const label = row["label"] ?? row["answer"];
  if (label === true || label === "true") return { ...row, label: 1 };
  if (label === false || label === "false") return { ...row, label: 0 };
  return row;
}
