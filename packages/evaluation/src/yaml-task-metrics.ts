import { FormatError } from "@sdmprune/core";
import { AGGREGATION_NAMES, type AggregationName } from "./aggregation.js";
import type { ExactMatchOptions } from "./task-config.js";
import type { OutputType, TaskMetric } from "./task.js";
import type { YamlTask } from "./yaml-task-schema.js";

const METRICS_OF: Readonly<Record<OutputType, readonly string[]>> = {
  multiple_choice: ["acc", "acc_norm", "acc_mutual_info", "exact_match", "f1", "mcc"],
  loglikelihood: ["perplexity", "acc"],
  loglikelihood_rolling: ["word_perplexity", "byte_perplexity", "bits_per_byte"],
  generate_until: ["exact_match"],
};

/** What lm-eval computes where a file has no `metric_list`. */
const DEFAULT_METRICS: Readonly<Record<OutputType, readonly string[]>> = {
  ...METRICS_OF,
  multiple_choice: ["acc", "acc_norm"],
};

const DEFAULT_AGGREGATION: Readonly<Record<string, AggregationName>> = {
  perplexity: "perplexity",
  word_perplexity: "weighted_perplexity",
  byte_perplexity: "weighted_perplexity",
  bits_per_byte: "bits_per_byte",
  f1: "f1",
  mcc: "mcc",
};

const LOWER_IS_BETTER = new Set(["perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"]);

/**
 * The metrics of a task file, with lm-eval's defaults.
 *
 * @throws {FormatError} If a metric or aggregation is unknown.
 */
export function yamlTaskMetrics(yaml: YamlTask, where: string): readonly TaskMetric[] {
  const known = METRICS_OF[yaml.output_type];
  const list: NonNullable<YamlTask["metric_list"]> =
    yaml.metric_list ?? DEFAULT_METRICS[yaml.output_type].map((metric) => ({ metric }));
  return list.map(({ metric, aggregation: named, higher_is_better: higher }): TaskMetric => {
    if (!known.includes(metric)) {
      throw new FormatError(
        `${where}: metric_list: expected a metric of ${yaml.output_type} (${known.join(", ")}), got "${metric}".`,
      );
    }
    const natural = DEFAULT_AGGREGATION[metric] ?? "mean";
    const aggregation = named === undefined ? natural : AGGREGATION_NAMES.find((name) => name === named);
    if (aggregation === undefined) {
      throw new FormatError(
        `${where}: metric_list: expected an aggregation of ${AGGREGATION_NAMES.join(", ")} for ${metric}, got "${named}".`,
      );
    }
    return { metric, aggregation, higherIsBetter: higher ?? !LOWER_IS_BETTER.has(metric) };
  });
}

/** What `exact_match` of a task file passes over. */
export function exactMatchOptions(yaml: YamlTask): ExactMatchOptions | undefined {
  const entry = yaml.metric_list?.find(({ metric }) => metric === "exact_match");
  if (!entry) return undefined;
  return {
    ...(entry.ignore_case !== undefined && { ignoreCase: entry.ignore_case }),
    ...(entry.ignore_punctuation !== undefined && { ignorePunctuation: entry.ignore_punctuation }),
    ...(entry.ignore_numbers !== undefined && { ignoreNumbers: entry.ignore_numbers }),
    ...(entry.regexes_to_ignore && { regexesToIgnore: entry.regexes_to_ignore }),
  };
}
