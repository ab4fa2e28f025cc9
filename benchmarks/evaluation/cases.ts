/** Documents of a task to score, spread evenly over its evaluation split. */
export interface EvaluationCase {
  /** Name of the task. */
  readonly name: string;
  readonly documents: number;
}

/** Chosen so that lm-eval takes some tens of seconds on two cores for a model of 135M parameters. */
export const CASES: readonly EvaluationCase[] = [
  { name: "hellaswag", documents: 24 },
  { name: "arc_easy", documents: 48 },
  { name: "race", documents: 4 },
  { name: "boolq", documents: 32 },
  { name: "wikitext", documents: 3 },
];
