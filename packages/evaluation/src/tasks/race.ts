import { z } from "zod";
import { parsePythonLiteral } from "../python-literal.js";
import type { VersionedTask } from "../task-config.js";
import type { Doc } from "../task.js";
import { ACC } from "./metric-lists.js";

const problem = z.looseObject({
  question: z.string(),
  answer: z.enum(["A", "B", "C", "D"]),
  options: z.array(z.string()),
});
const columns = z.looseObject({ article: z.string(), problems: z.array(problem).min(1) });
type Problem = z.infer<typeof problem>;

/** Reading comprehension (Lai et al. 2017, https://arxiv.org/abs/1704.04683): the last question on each passage. */
export const race: VersionedTask = {
  pinned: {
    task: "race",
    datasetPath: "EleutherAI/race",
    datasetName: "high",
    outputType: "multiple_choice",
    testSplit: "test",
    // The pinned version keeps a cloze question's last five characters, where its text before them was meant.
    docToText: (doc) => prompt(doc, (question) => question.slice(-5)),
    docToTarget: (doc) => "ABCD".indexOf(lastProblem(doc).answer),
    docToChoice: (doc) => lastProblem(doc).options,
    metricList: ACC,
    metadata: { version: 2.0 },
    columns,
    reshapeRow: (row) =>
      typeof row["problems"] === "string"
        ? { ...row, problems: parsePythonLiteral(row["problems"], "problems") }
        : row,
    data: { repo: "EleutherAI/race", selection: "high/test", localFiles: ["race/high_test.jsonl"] },
  },
  current: {
    docToText: (doc) => prompt(doc, (question) => question.slice(0, -5)),
    metadata: { version: 3.0 },
  },
};

const CLOZE = "  _  .";

/** The passage, the earlier questions with their answers, and the last question as it stands. */
function prompt(doc: Doc, beforeBlank: (question: string) => string): string {
  const { article, problems } = doc as z.infer<typeof columns>;
  const earlier = problems.slice(0, -1).map((each) => {
    const { question } = each;
    const answer = each.options["ABCD".indexOf(each.answer)];
    return question.slice(-CLOZE.length) === CLOZE
      ? `${beforeBlank(question)}${answer}\n`
      : `Question: ${question}\nAnswer: ${answer}\n`;
  });
  return `Article: ${article}\n\n${earlier.join("")}${lastProblem(doc).question}`;
}

function lastProblem(doc: Doc): Problem {
  return (doc as z.infer<typeof columns>).problems.at(-1)!;
}
