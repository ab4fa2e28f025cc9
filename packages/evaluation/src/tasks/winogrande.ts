import { FormatError } from "@sdmprune/core";
import { z } from "zod";
import { pythonStrip } from "../python-text.js";
import type { VersionedTask } from "../task-config.js";
import type { Doc } from "../task.js";
import { ACC } from "./metric-lists.js";

const columns = z.looseObject({
  sentence: z.string(),
  option1: z.string(),
  option2: z.string(),
  answer: z.enum(["1", "2"]),
});

/**
 * Who is meant (Sakaguchi et al. 2019, https://arxiv.org/abs/1907.10641): the end of the sentence is scored after
 * both beginnings (partial evaluation, Trinh & Le 2018).
 */
export const winogrande: VersionedTask = {
  pinned: {
    task: "winogrande",
    datasetPath: "winogrande",
    datasetName: "winogrande_xl",
    outputType: "multiple_choice",
    trainingSplit: "train",
    validationSplit: "validation",
    docToText: (doc) => Number(doc["answer"]) - 1,
    docToTarget: (doc) => pythonStrip(atBlank(doc).after),
    docToChoice: (doc) =>
      [doc["option1"], doc["option2"]].map((option) => atBlank(doc).before + String(option)),
    shouldDecontaminate: true,
    docToDecontaminationQuery: "sentence",
    metricList: ACC,
    metadata: { version: 1.0 },
    columns,
    data: {
      repo: "allenai/winogrande",
      selection: "winogrande_xl/validation",
      localFiles: ["winogrande/dev.jsonl"],
    },
  },
  current: { datasetPath: "allenai/winogrande" },
};

function atBlank(doc: Doc): { before: string; after: string } {
  const { sentence } = doc as z.infer<typeof columns>;
  const at = sentence.indexOf("_");
  if (at < 0) throw new FormatError(`sentence: expected a blank "_", got ${JSON.stringify(sentence)}.`);
  return { before: sentence.slice(0, at), after: sentence.slice(at + 1) };
}
