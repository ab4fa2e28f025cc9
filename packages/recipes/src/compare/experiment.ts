import { resolve } from "node:path";
import { ConfigError, describeProblems, show, snakeCase, suggestNames } from "@sdmprune/core";
import { experimentSchema, type ExperimentFile } from "./experiment-schema.js";

/** An experiment with all paths resolved. */
export type Experiment = ExperimentFile;

export interface ParseExperimentOptions {
  /** The file's name, for errors. */
  readonly where: string;
  /** Where relative paths start. */
  readonly folder: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Checks what an experiment file says.
 *
 * @param raw - The parsed YAML, keys in snake_case.
 * @throws {ConfigError} Naming every problem with its path, in the file's spelling.
 */
export function parseExperiment(
  raw: unknown,
  { where, folder, env = {} }: ParseExperimentOptions,
): Experiment {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new ConfigError(
      `${where}: expected an experiment with model, methods and ratios, got ${show(raw)}.`,
    );
  }
  const result = experimentSchema.safeParse(camelKeys(raw), { reportInput: true });
  if (!result.success) {
    const known = Object.keys(experimentSchema.shape).map(snakeCase);
    throw new ConfigError(`${where}: ${describeProblems(result.error, known, snakeCase).join("; ")}.`);
  }
  const experiment = withPaths(result.data, (path, key) =>
    expandPath(path, `${where}: "${key}"`, folder, env),
  );
  const problems = contradictions(experiment);
  if (problems.length > 0) throw new ConfigError(`${where}: ${problems.join("; ")}.`);
  return experiment;
}

export function labelOf({ name, label }: Experiment["methods"][number]): string {
  return label ?? name;
}

/** What a schema cannot see. */
function contradictions({ methods, ratios, seeds, reference, recovery, tasks }: Experiment): string[] {
  const labels = methods.map(labelOf);
  const problems: string[] = [];
  for (const [i, label] of labels.entries()) {
    if (label === DENSE)
      problems.push(`"methods.${i}": "${DENSE}" is the model as it is; choose another label`);
    const first = labels.indexOf(label);
    if (first < i) {
      problems.push(
        `"methods.${i}": "${label}" is the label of method ${first} too; give one of them a label`,
      );
    }
  }
  const unknown = (key: string, label: string, known: readonly string[]): void => {
    if (known.includes(label)) return;
    const [near] = suggestNames(label, known);
    const hint = near === undefined ? `expected one of ${known.join(", ")}` : `did you mean "${near}"?`;
    problems.push(`"${key}": no method is called "${label}" (${hint})`);
  };
  if (reference !== undefined) unknown("reference", reference, labels);
  const names = new Set<string>();
  for (const [i, entry] of (recovery ?? []).entries()) {
    if (names.has(entry.name)) problems.push(`"recovery.${i}": the name "${entry.name}" is there already`);
    names.add(entry.name);
    for (const label of entry.methods ?? []) unknown(`recovery.${i}.methods`, label, [DENSE, ...labels]);
  }
  const all = new Set([...ratios, ...methods.flatMap((method) => method.ratios ?? [])]);
  const listed: [string, readonly number[] | undefined][] = [
    ...seeds.map((entry, i): [string, readonly number[] | undefined] => [`seeds.${i}.ratios`, entry.ratios]),
    ["tasks.ratios", tasks?.ratios],
    ...(recovery ?? []).map((entry, i): [string, readonly number[] | undefined] => [
      `recovery.${i}.ratios`,
      entry.ratios,
    ]),
  ];
  for (const [key, some] of listed) {
    for (const each of some ?? []) {
      if (!all.has(each)) problems.push(`"${key}": ${each} is none of the ratios (${[...all].join(", ")})`);
    }
  }
  const seen = new Set<number>();
  for (const [i, { seed }] of seeds.entries()) {
    if (seen.has(seed)) problems.push(`"seeds.${i}": seed ${seed} is there already`);
    seen.add(seed);
  }
  return problems;
}

/** Label of the model as it is. */
export const DENSE = "dense";

/** All keys in camelCase, but for those of `options`, which belong to the methods. */
function camelKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      key === "options" ? each : camelKeys(each),
    ]),
  );
}

type ExpandPath = (path: string, key: string) => string;

function withPaths(experiment: ExperimentFile, expand: ExpandPath): Experiment {
  const { model, calibration, methods, perplexity, tasks, layerError, recovery, plugins } = experiment;
  const source = (each: string, key: string): string => (each.startsWith("hub:") ? each : expand(each, key));
  return {
    ...experiment,
    model: isPath(model) ? expand(model, "model") : model,
    methods: methods.map((method, i) => {
      const own = method.calibration?.source;
      if (own === undefined) return method;
      const path = source(own, `methods.${i}.calibration.source`);
      return { ...method, calibration: { ...method.calibration, source: path } };
    }),
    ...(calibration && {
      calibration: { ...calibration, source: source(calibration.source, "calibration.source") },
    }),
    ...(perplexity && {
      perplexity: perplexity.map((each, i) => ({ ...each, text: expand(each.text, `perplexity.${i}.text`) })),
    }),
    ...(tasks && {
      tasks: {
        ...tasks,
        names: tasks.names.map((name, i) => (isPath(name) ? expand(name, `tasks.names.${i}`) : name)),
        ...(tasks.dataDir !== undefined && { dataDir: expand(tasks.dataDir, "tasks.data_dir") }),
      },
    }),
    ...(recovery && {
      recovery: recovery.map((each, i) => ({
        ...each,
        data: [each.data].flat().map((data) => source(data, `recovery.${i}.data`)),
      })),
    }),
    ...(layerError && { layerError: { ...layerError, text: expand(layerError.text, "layer_error.text") } }),
    ...(plugins && {
      plugins: plugins.map((plugin, i) => (isPath(plugin) ? expand(plugin, `plugins.${i}`) : plugin)),
    }),
  };
}

/** Names of hubs and packages look like paths, too: a path says so by its first character. */
function isPath(text: string): boolean {
  return /^[./~$]/.test(text);
}

function expandPath(
  path: string,
  where: string,
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const expanded = path.replace(/\$\{(\w+)(?::-([^}]*))?\}/g, (_, name: string, otherwise?: string) => {
    const value = env[name] ?? otherwise;
    if (value !== undefined) return value;
    throw new ConfigError(
      `${where}: expected the environment variable ${name} to be set. Set it, or write a path.`,
    );
  });
  return resolve(folder, expanded);
}
