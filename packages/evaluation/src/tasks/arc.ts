import { z } from "zod";
import type { VersionedTask } from "../task-config.js";
import { ACC_AND_ACC_NORM } from "./metric-lists.js";
import { reshapeQuestion } from "./reshape-question.js";

const columns = z.looseObject({
  question: z.string(),
  choices: z.looseObject({ text: z.array(z.string()), label: z.array(z.string()) }),
  answerKey: z.string(),
});

/** AI2 Reasoning Challenge (Clark et al. 2018, https://arxiv.org/abs/1803.05457). */
function arc(task: string, datasetName: string): VersionedTask {
  return {
    pinned: {
      task,
      tag: ["ai2_arc"],
      datasetPath: "allenai/ai2_arc",
      datasetName,
      outputType: "multiple_choice",
      trainingSplit: "train",
      validationSplit: "validation",
      testSplit: "test",
      docToText: "Question: {{question}}\nAnswer:",
      docToTarget: "{{choices.label.index(answerKey)}}",
      docToChoice: "{{choices.text}}",
      shouldDecontaminate: true,
      docToDecontaminationQuery: "Question: {{question}}\nAnswer:",
      metricList: ACC_AND_ACC_NORM,
      metadata: { version: 1.0 },
      columns,
      reshapeRow: (row) => reshapeQuestion(row, "question"),
      data: {
        repo: "allenai/ai2_arc",
        selection: `${datasetName}/test`,
        localFiles: [`${task}/${datasetName}-Test.jsonl`],
      },
    },
  };
}

export const arcEasy = arc("arc_easy", "ARC-Easy");
export const arcChallenge = arc("arc_challenge", "ARC-Challenge");
