import type { EvaluatedDocument } from "../evaluate.js";
import { pythonFloat, pythonStr } from "../python-text.js";
import { requestArguments } from "../request-lines.js";
import type { Task, TaskResponse } from "../task.js";
import { sha256Text } from "./sha256-text.js";

/** One line of a `samples_*.jsonl` of lm-eval. */
export interface Sample {
  readonly doc_id: number;
  readonly doc: Readonly<Record<string, unknown>>;
  readonly target: string;
  readonly arguments: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly resps: readonly unknown[];
  readonly filtered_resps: readonly unknown[];
  readonly doc_hash: string;
  readonly prompt_hash: string;
  readonly target_hash: string;
  readonly [metric: string]: unknown;
}

/** Writes a document as lm-eval's `--log_samples` does: numbers of answers as Python prints them. */
export function sampleOf(task: Task, index: number, evaluated: EvaluatedDocument): Sample {
  const { document, requests, responses, metrics } = evaluated;
  const argumentLists = requests.map(requestArguments);
  const answers = responses.map(answerText);
  const target = pythonStr(task.target(document));
  return {
    doc_id: index,
    doc: document.doc,
    target,
    arguments: Object.fromEntries(
      argumentLists.map((list, i) => [
        `gen_args_${i}`,
        Object.fromEntries(list.map((argument, k) => [`arg_${k}`, argument])),
      ]),
    ),
    resps: answers.map((answer) => [answer]),
    filtered_resps: answers,
    doc_hash: sha256Text(JSON.stringify(document.doc, null, 2)),
    prompt_hash: sha256Text(pythonStr(argumentLists[0]![0])),
    target_hash: sha256Text(target),
    ...metrics,
  };
}

/** Hash over a task's samples, as lm-eval's `task_hashes`. */
export function samplesHash(samples: readonly Sample[]): string {
  return sha256Text(
    samples.map(({ doc_hash, prompt_hash, target_hash }) => doc_hash + prompt_hash + target_hash).join(""),
  );
}

function answerText(response: TaskResponse): unknown {
  if (typeof response === "string") return response;
  if (typeof response === "number") return pythonFloat(response);
  return [pythonFloat(response.logprob), response.isGreedy ? "True" : "False"];
}
