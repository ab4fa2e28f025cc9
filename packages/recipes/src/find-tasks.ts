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
  const tasks = new Map<string, Task>();
  for (const task of await findTasks(run, request.tasks, request.taskVersion)) {
    const same = tasks.get(task.name);
    if (same && same.config !== task.config && isFromFile(request.tasks)) {
      throw new UsageError(
        `tasks: expected tasks of different names, got two called "${task.name}". Rename one.`,
      );
    }
    if (!same) tasks.set(task.name, task);
  }
  const loaded: LoadedTask[] = [];
  for (const task of tasks.values()) {
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

async function findTasks(
  run: Run,
  names: readonly string[],
  version: TaskVersion | undefined,
): Promise<Task[]> {
  const found: Task[] = [];
  for (const name of names) {
    if (YAML.test(name)) {
      found.push(await loadYamlTask(name));
      continue;
    }
    const { tasks } = run.registries;
    // A plugin's task need not have versions.
    const hasOptions = tasks.entry(name).options !== undefined;
    const task = await tasks.create(name, hasOptions && version !== undefined ? { version } : {});
    if (isTaskGroup(task)) found.push(...(await findTasks(run, task.tasks, version)));
    else found.push(task);
  }
  return found;
}

function isFromFile(names: readonly string[]): boolean {
  return names.some((name) => YAML.test(name));
}
