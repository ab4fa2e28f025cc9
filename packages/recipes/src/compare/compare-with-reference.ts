import {
  compareSamples,
  mcNemarTest,
  pairedBootstrap,
  type McNemar,
  type PairedDifference,
  type StoredSample,
} from "@sdmprune/evaluation";
import type { JudgedSubject, ReferenceComparison } from "./collect-results.js";
import type { TaskValue } from "./judge-cells.js";

/**
 * Tests a method against the reference on what both were asked, by the seeds that both have: perplexities window by
 * window, tasks document by document. Values are averaged over the seeds first, so that a window or a document stays
 * the unit that is drawn anew.
 */
export function compareWithReference(
  ours: readonly JudgedSubject[],
  reference: readonly JudgedSubject[],
  texts: readonly string[],
): ReferenceComparison {
  const pairs = ours.flatMap((each) => {
    const other = reference.find(({ subject }) => subject.seed === each.subject.seed);
    return other ? [[other, each] as const] : [];
  });
  const nll: Record<string, PairedDifference> = {};
  for (const text of texts) {
    const windows = pairs.flatMap(([a, b]) => {
      const [first, second] = [a.perplexity.get(text), b.perplexity.get(text)];
      return first && second ? [[first.value.windows, second.value.windows] as const] : [];
    });
    if (windows.length === 0) continue;
    const first = meanOfLists(windows.map(([each]) => each));
    const second = meanOfLists(windows.map(([, each]) => each));
    nll[text] = pairedBootstrap([{ first, second }]);
  }
  const tasks = pairs.flatMap(([a, b]) =>
    a.tasks && b.tasks ? [[a.tasks.value.tasks, b.tasks.value.tasks] as const] : [],
  );
  return {
    nll,
    accuracy:
      tasks.length > 0
        ? compareSamples(averaged(tasks.map(([a]) => a)), averaged(tasks.map(([, b]) => b))).mean
        : undefined,
    mcNemar: tasks[0] && pooledMcNemar(...tasks[0]),
  };
}

/** Each document's metrics, averaged over the seeds. */
function averaged(seeds: readonly (readonly TaskValue[])[]): Map<string, StoredSample[]> {
  return new Map(
    seeds[0]!.map(({ task, documents }) => {
      const all = seeds.map((tasks) => tasks.find((each) => each.task === task)!.documents);
      return [
        task,
        documents.map((document, i) => ({
          ...document,
          metrics: Object.fromEntries(
            Object.keys(document.metrics).map((metric) => [
              metric,
              all.reduce((sum, each) => sum + each[i]!.metrics[metric]!, 0) / all.length,
            ]),
          ),
        })),
      ] as const;
    }),
  );
}

/** One exact test over the documents of all tasks that are right or wrong. */
function pooledMcNemar(first: readonly TaskValue[], second: readonly TaskValue[]): McNemar | undefined {
  const { tasks } = compareSamples(averaged([first]), averaged([second]));
  const [a, b]: [number[], number[]] = [[], []];
  for (const { task, metric, mcNemar } of tasks) {
    if (!mcNemar) continue;
    a.push(...documentsOf(first, task).map(({ metrics }) => metrics[metric]!));
    b.push(...documentsOf(second, task).map(({ metrics }) => metrics[metric]!));
  }
  return a.length > 0 ? mcNemarTest(a, b) : undefined;
}

function documentsOf(tasks: readonly TaskValue[], task: string): readonly StoredSample[] {
  return tasks.find((each) => each.task === task)!.documents;
}

function meanOfLists(lists: readonly (readonly number[])[]): number[] {
  return lists[0]!.map((_, i) => lists.reduce((sum, list) => sum + list[i]!, 0) / lists.length);
}
