import { VERSION } from "@sdmprune/core";
import type { SourceFile } from "@sdmprune/data";
import { countedUnits } from "./counted-units.js";
import type { MetricResult, TaskResult } from "./evaluate.js";

/** A special token as lm-eval writes it: its text and its id as a text. */
export type NamedToken = readonly [text: string, id: string];

/** What a results file says of the run besides its numbers. */
export interface EvaluationRun {
  /** Folder or hub id of the model. */
  readonly modelName: string;
  /** Further settings of the model, such as `add_bos_token`, in lm-eval's spelling. */
  readonly modelArgs?: Readonly<Record<string, string | number | boolean>>;
  readonly batchSize?: number | "auto";
  readonly device?: string;
  readonly limit?: number | undefined;
  readonly bootstrapIters: number;
  readonly maxLength?: number | undefined;
  readonly tokenizerTokens?: {
    readonly bos?: NamedToken;
    readonly eos?: NamedToken;
    readonly pad?: NamedToken;
  };
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** A task's result with where its documents came from. */
export interface EvaluatedTask extends TaskResult {
  readonly numOriginal: number;
  readonly files: readonly SourceFile[];
}

/** Keys of one task in `results`. Metrics are called `name,filter`, and no filter is applied here. */
export function taskResultEntry(name: string, metrics: readonly MetricResult[]): Record<string, unknown> {
  const entries = metrics.flatMap(({ metric, value, stderr }) => [
    [`${metric},none`, value] as const,
    [`${metric}_stderr,none`, stderr ?? "N/A"] as const,
  ]);
  return { alias: name, ...Object.fromEntries(entries) };
}

/**
 * The content of a `results_*.json` of lm-eval, whose tools read it. What has no meaning here is null; data hashes
 * and our version stand under `sdmprune`.
 *
 * @param taskHashes - Per task, the hash over its samples.
 */
export function resultsDocument(
  tasks: readonly EvaluatedTask[],
  run: EvaluationRun,
  taskHashes: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const perTask = <T>(of: (task: EvaluatedTask) => T): Record<string, T> =>
    Object.fromEntries(tasks.map((each) => [each.task.name, of(each)]));
  const { bos, eos, pad } = run.tokenizerTokens ?? {};
  const modelArgs = Object.entries({ pretrained: run.modelName, ...run.modelArgs });
  return {
    results: perTask(({ task, metrics }) => taskResultEntry(task.name, metrics)),
    group_subtasks: perTask(() => []),
    configs: perTask(({ task }) => task.config),
    versions: perTask(({ task }) => task.version),
    "n-shot": perTask(() => 0),
    higher_is_better: perTask(({ task }) =>
      Object.fromEntries(task.metrics.map(({ metric, higherIsBetter }) => [metric, higherIsBetter])),
    ),
    "n-samples": perTask(({ documents, numOriginal }) => ({
      original: numOriginal,
      effective: documents.length,
    })),
    config: {
      model: "sdmprune",
      model_args: modelArgs.map(([key, value]) => `${key}=${pythonSpelling(value)}`).join(","),
      batch_size: String(run.batchSize ?? 1),
      batch_sizes: [],
      device: run.device ?? "cpu",
      use_cache: null,
      limit: run.limit ?? null,
      bootstrap_iters: run.bootstrapIters,
      gen_kwargs: null,
      random_seed: 0,
      numpy_seed: 1234,
      torch_seed: 1234,
      fewshot_seed: 1234,
    },
    git_hash: null,
    date: run.startedAtMs / 1000,
    pretty_env_info: `sdmprune ${VERSION}`,
    transformers_version: null,
    upper_git_hash: null,
    tokenizer_pad_token: pad ?? null,
    tokenizer_eos_token: eos ?? null,
    tokenizer_bos_token: bos ?? null,
    eot_token_id: eos === undefined ? null : Number(eos[1]),
    max_length: run.maxLength ?? null,
    task_hashes: taskHashes,
    model_source: "sdmprune",
    model_name: run.modelName,
    model_name_sanitized: sanitizedModelName(run.modelName),
    system_instruction: null,
    system_instruction_sha: null,
    fewshot_as_multiturn: false,
    chat_template: null,
    chat_template_sha: null,
    start_time: run.startedAtMs / 1000,
    end_time: run.endedAtMs / 1000,
    total_evaluation_time_seconds: String((run.endedAtMs - run.startedAtMs) / 1000),
    sdmprune: {
      version: VERSION,
      data: perTask(({ files }) => files),
      perplexity: perplexitySettings(tasks, run),
    },
  };
}

/** Per task with a perplexity per word or byte, what the number depends on besides the data, whose hash stands beside. */
function perplexitySettings(tasks: readonly EvaluatedTask[], run: EvaluationRun): Record<string, unknown> {
  const settings = tasks.flatMap((result) => {
    const counted = countedUnits(result);
    if (Object.keys(counted).length === 0) return [];
    const window = run.maxLength ?? null;
    const bos = run.modelArgs?.["add_bos_token"] ?? null;
    return [[result.task.name, { window, stride: window, add_bos_token: bos, counted }] as const];
  });
  return Object.fromEntries(settings);
}

/** A model's name as a folder's. */
export function sanitizedModelName(name: string): string {
  return name.replace(/["<>:/|\\?*[\]]+/g, "__");
}

function pythonSpelling(value: string | number | boolean): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  return String(value);
}
