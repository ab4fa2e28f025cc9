import { FormatError } from "@sdmprune/core";
import type { YamlMapping } from "./parse-task-yaml.js";
import type { TaskConfig } from "./task-config.js";
import type { TaskData } from "./task.js";
import { exactMatchOptions, yamlTaskMetrics } from "./yaml-task-metrics.js";
import { checkTaskYaml, type YamlTask } from "./yaml-task-schema.js";

/**
 * The settings of a task from a parsed file with its includes merged in.
 *
 * @throws {FormatError} If a key needs Python, is unknown or has another kind of value; names the key.
 */
export function yamlTaskConfig(mapping: YamlMapping, where: string): TaskConfig {
  const yaml = checkTaskYaml(mapping, where);
  const { doc_to_text: text, doc_to_choice: choice, doc_to_target: target } = yaml;
  const list = yamlTaskMetrics(yaml, where);
  const options = exactMatchOptions(yaml);
  return {
    task: yaml.task,
    datasetPath: yaml.dataset_path,
    ...(yaml.dataset_name !== undefined && { datasetName: yaml.dataset_name }),
    ...(yaml.validation_split !== undefined && { validationSplit: yaml.validation_split }),
    ...(yaml.test_split !== undefined && { testSplit: yaml.test_split }),
    outputType: yaml.output_type,
    docToText: typeof text === "number" ? () => text : text,
    docToTarget: Array.isArray(target) ? () => target : target,
    ...(choice !== undefined && {
      docToChoice: typeof choice === "string" || Array.isArray(choice) ? choice : Object.values(choice),
    }),
    description: yaml.description,
    targetDelimiter: yaml.target_delimiter,
    ...(yaml.generation_kwargs && { generationKwargs: generation(yaml.generation_kwargs) }),
    metricList: list,
    ...(options && { metricOptions: { exact_match: options } }),
    metadata: { version: yaml.metadata?.version ?? "Yaml" },
    data: dataOf(yaml, where),
  };
}

function generation(settings: NonNullable<YamlTask["generation_kwargs"]>): TaskConfig["generationKwargs"] {
  const { until, max_gen_toks: maxGenToks, temperature, do_sample: doSample } = settings;
  return {
    ...(until !== undefined && { until: [until].flat() }),
    ...(maxGenToks !== undefined && { maxGenToks }),
    temperature: doSample === false ? 0 : (temperature ?? 0),
  };
}

const FILE_BUILDERS = new Set(["json", "csv", "parquet", "text"]);

/** `dataset_path: json` and the like read files that `dataset_kwargs.data_files` names; else it is a data set of the hub. */
function dataOf(yaml: YamlTask, where: string): TaskData {
  const split = yaml.test_split ?? yaml.validation_split ?? undefined;
  if (split === undefined) {
    throw new FormatError(
      `${where}: test_split: expected test_split or validation_split, got neither. Add one.`,
    );
  }
  if (FILE_BUILDERS.has(yaml.dataset_path)) {
    const files = yaml.dataset_kwargs?.data_files;
    const named = typeof files === "object" && !Array.isArray(files) ? files[split] : files;
    const [file, ...more] = named === undefined ? [] : [named].flat();
    if (file === undefined || more.length > 0) {
      throw new FormatError(
        `${where}: dataset_kwargs.data_files: expected one file for the split "${split}", got ${more.length > 0 ? more.length + 1 : "none"}.`,
      );
    }
    return { file };
  }
  return {
    repo: yaml.dataset_path,
    selection: [yaml.dataset_name, split].filter((word) => word !== undefined).join("/"),
  };
}
