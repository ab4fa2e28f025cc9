import { UsageError, type Run } from "@sdmprune/core";
import { isTaskGroup, type Task, type TaskVersion } from "@sdmprune/evaluation";
import { loadTaskDocuments, loadYamlTask, type LoadedTask } from "@sdmprune/evaluation/node";

/** Which tasks to evaluate, and on what data. */
export interface TasksRequest {
  /** Names of tasks and groups, and task files of lm-eval (`.yaml`). */
  readonly tasks: readonly string[];
  /** Which lm-eval the built-in tasks follow. Default `pinned`. */
  readonly taskVersion?: TaskVersion;
  /** A folder with data sets. Default: the hub. */
  readonly dataDir?: string;
  /** Only the first documents of each task. */
  readonly limit?: number;
}

const YAML = /\.ya?ml$/;

/**
 * Finds the tasks of a request, groups taken apart, each once and in order, and reads their documents.
 *
 * @throws {UsageError} If a name is unknown; it suggests the nearest.
 * @throws {FormatError} If a task file or data file is malformed.
 */
export async function loadTasks(run: Run, request: TasksRequest): Promise<LoadedTask[]> {
  const tasks = new Map<string, FoundTask>();
  for (const found of await findTasks(run, request.tasks, request.taskVersion)) {
    const { name } = found.task;
    const same = tasks.get(name);
    if (same && same.file !== found.file) {
      throw new UsageError(`tasks: expected tasks of different names, got two called "${name}". Rename one.`);
    }
    tasks.set(name, same ?? found);
  }
  const loaded: LoadedTask[] = [];
  for (const { task } of tasks.values()) {
    run.signal.throwIfAborted();
    loaded.push(
      await loadTaskDocuments(task, {
        limit: request.limit,
        ...(request.dataDir !== undefined && { dataDir: request.dataDir }),
      }),
    );
  }
  return loaded;
}

interface FoundTask {
  readonly task: Task;
  /** The file it was read from; a registered task has none. */
  readonly file?: string;
}

async function findTasks(
  run: Run,
  names: readonly string[],
  version: TaskVersion | undefined,
): Promise<FoundTask[]> {
  const found: FoundTask[] = [];
  for (const name of names) {
    if (YAML.test(name)) {
      found.push({ task: await loadYamlTask(name), file: name });
      continue;
    }
    const { tasks } = run.registries;
    // A plugin's task need not have versions.
    const hasOptions = tasks.entry(name).options !== undefined;
    const task = await tasks.create(name, hasOptions && version !== undefined ? { version } : {});
    if (isTaskGroup(task)) found.push(...(await findTasks(run, task.tasks, version)));
    else found.push({ task });
  }
  return found;
}
