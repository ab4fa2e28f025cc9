import { z } from "zod";
import { pythonCapitalize, pythonStrip } from "../python-text.js";
import type { VersionedTask } from "../task-config.js";
import type { Doc } from "../task.js";
import { ACC_AND_ACC_NORM } from "./metric-lists.js";

const rawColumns = z.looseObject({
  activity_label: z.string(),
  ctx_a: z.string(),
  ctx_b: z.string(),
  endings: z.array(z.string()),
  label: z.union([z.string(), z.int()]),
});
const preparedColumns = z.looseObject({ query: z.string(), choices: z.array(z.string()), gold: z.int() });

/** Which sentence follows (Zellers et al. 2019, https://arxiv.org/abs/1905.07830). */
export const hellaswag: VersionedTask = {
  pinned: {
    task: "hellaswag",
    tag: ["multiple_choice"],
    datasetPath: "hellaswag",
    outputType: "multiple_choice",
    trainingSplit: "train",
    validationSplit: "validation",
    docToText: "{{query}}",
    docToTarget: "{{gold}}",
    docToChoice: "choices",
    processDoc: (doc) => ("query" in doc ? doc : prepare(doc)),
    metricList: ACC_AND_ACC_NORM,
    metadata: { version: 1.0 },
    columns: (row) => ("query" in row ? preparedColumns : rawColumns),
    data: {
      repo: "Rowan/hellaswag",
      selection: "validation",
      localFiles: ["hellaswag/hellaswag_val.jsonl", "hellaswag/val.jsonl", "hellaswag/val_1000.jsonl"],
    },
  },
  current: { datasetPath: "Rowan/hellaswag" },
};

function prepare(doc: Doc): Doc {
  const { activity_label, ctx_a, ctx_b, endings, label } = doc as z.infer<typeof rawColumns>;
  return {
    ...doc,
    query: withoutMarks(`${activity_label}: ${ctx_a} ${pythonCapitalize(ctx_b)}`),
    choices: endings.map(withoutMarks),
    gold: Number(label),
  };
}

/** WikiHow's marks in brackets go. The order of the steps decides which spaces stay. */
function withoutMarks(text: string): string {
  return pythonStrip(text)
    .replaceAll(" [title]", ". ")
    .replace(/\[[^\n]*?\]/g, "")
    .replaceAll("  ", " ");
}
