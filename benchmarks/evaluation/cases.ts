/** Documents of a task to score; the first of its evaluation split. */
export interface EvaluationCase {
  /** Name of the task. */
  readonly name: string;
  readonly documents: number;
}

/** Chosen so that lm-eval takes some tens of seconds on two cores for a model of 135M parameters. */
export const CASES: readonly EvaluationCase[] = [
  { name: "hellaswag", documents: 16 },
  { name: "arc_easy", documents: 24 },
  { name: "race", documents: 3 },
  { name: "boolq", documents: 24 },
  { name: "wikitext", documents: 1 },
];
