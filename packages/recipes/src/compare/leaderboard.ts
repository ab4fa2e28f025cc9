import { markdownReporter, type Cell } from "@sdmprune/evaluation";
import { formatDuration } from "../format-duration.js";
import type { ComparisonResults, ResultRow } from "./collect-results.js";
import type { Mean } from "./mean.js";

/** The results as a page of Markdown: one table for each text and one for the tasks. */
export function leaderboard(results: ComparisonResults): string {
  const { title, description, command, machine, commits, cells, reference, perplexities, rows } = results;
  const sections = [
    ...perplexities.map((name) => perplexitySection(results, name)),
    ...(rows.some(({ accuracy }) => accuracy) ? [accuracySection(results)] : []),
    ...(rows.some(hasBias) ? [withoutBiasSection(results)] : []),
  ];
  const state =
    cells.finished === cells.all
      ? `All ${cells.all} cells`
      : `${cells.finished} of ${cells.all} cells so far`;
  return [
    `# ${title}`,
    ...(description === undefined ? [] : [description.trim()]),
    ...sections,
    "## How it was measured",
    [
      `${state}, ${formatDuration(cells.seconds)} of computing. Machine: ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, Node ${machine.node}.`,
      ...(commits.length > 0 ? [`Commit ${commits.map((commit) => commit.slice(0, 12)).join(", ")}.`] : []),
      ...(command === undefined ? [] : [`Command: \`${command}\`.`]),
    ].join(" "),
    `Ratios are parts of all parameters. Means are over the seeds, ± their standard error where there are several; p is two-sided, of a paired bootstrap against ${reference}, over windows or documents, and not corrected for the number of methods.`,
    "",
  ].join("\n\n");
}

function perplexitySection({ rows, reference }: ComparisonResults, name: string): string {
  const columns = columnsOf(rows.filter((row) => row.perplexity[name]));
  return section(`Perplexity: ${name}`, "lower is better", rows, columns, (row) => {
    const mean = row.perplexity[name];
    if (!mean) return undefined;
    return withTest(formatMean(mean, 1), row.versusReference?.nll[name]?.pValue, row.label === reference);
  });
}

function accuracySection({ rows, reference }: ComparisonResults): string {
  const columns = columnsOf(rows.filter((row) => row.accuracy));
  return section("Mean accuracy, %", "higher is better; of the tasks' main metrics", rows, columns, (row) => {
    if (!row.accuracy) return undefined;
    return withTest(
      formatMean(row.accuracy, 100),
      row.versusReference?.accuracy?.pValue,
      row.label === reference,
    );
  });
}

/** Whether the mean over all tasks counts a measure of bias, of which a higher one is not better. */
function hasBias({ accuracy, accuracyWithoutBias }: ResultRow): boolean {
  return accuracy !== undefined && accuracy.mean !== accuracyWithoutBias?.mean;
}

function withoutBiasSection({ rows }: ComparisonResults): string {
  const columns = columnsOf(rows.filter((row) => row.accuracyWithoutBias));
  const heading = "Mean accuracy without CrowS-Pairs, %";
  return section(heading, "higher is better; of CrowS-Pairs 50 % is unbiased", rows, columns, (row) =>
    row.accuracyWithoutBias ? formatMean(row.accuracyWithoutBias, 100) : undefined,
  );
}

interface Column {
  readonly ratio: number;
  readonly recovery: string | undefined;
}

/** The ratios there are, without recovery first. */
function columnsOf(rows: readonly ResultRow[]): Column[] {
  const columns = new Map<string, Column>();
  for (const { ratio, recovery } of rows) columns.set(JSON.stringify([ratio, recovery]), { ratio, recovery });
  return [...columns.values()]
    .filter(({ ratio }) => ratio > 0)
    .sort((a, b) => (a.recovery ?? "").localeCompare(b.recovery ?? "") || a.ratio - b.ratio);
}

function section(
  heading: string,
  note: string,
  rows: readonly ResultRow[],
  columns: readonly Column[],
  cell: (row: ResultRow) => string | undefined,
): string {
  const dense = rows.filter(({ ratio }) => ratio === 0);
  const labels = [...new Set(rows.filter(({ ratio }) => ratio > 0).map(({ label }) => label))];
  const at = (label: string, { ratio, recovery }: Column): Cell => {
    const row = rows.find(
      (each) => each.label === label && each.ratio === ratio && each.recovery === recovery,
    );
    return row && cell(row);
  };
  const judged = labels
    .map((label) => ({ label, cells: columns.map((column) => at(label, column)) }))
    .filter(({ cells }) => cells.some((text) => text !== undefined));
  const table = markdownReporter.format({
    head: [
      "method",
      ...columns.map(
        ({ ratio, recovery }) =>
          `${Math.round(100 * ratio)} %${recovery === undefined ? "" : ` + ${recovery}`}`,
      ),
    ],
    rows: judged.map(({ label, cells }) => [label, ...cells]),
  });
  const denseText = dense
    .flatMap((row) => {
      const text = cell(row);
      return text === undefined
        ? []
        : [`${row.recovery === undefined ? "dense" : `dense + ${row.recovery}`}: ${text}`];
    })
    .join("; ");
  return [
    `## ${heading}`,
    `${note[0]!.toUpperCase()}${note.slice(1)}.${denseText === "" ? "" : ` ${denseText}.`}`,
    ...(judged.length > 0 ? [table.trim()] : []),
  ].join("\n\n");
}

function withTest(text: string, pValue: number | undefined, isReference: boolean): string {
  if (isReference || pValue === undefined) return text;
  return `${text} (p ${pValue < 0.001 ? "< 0.001" : pValue.toFixed(3)})`;
}

/** `1.852 ± 0.012`; an error that would round to nothing gets one more digit, one that is nothing is left out. */
export function formatMean({ mean, stderr = 0 }: Mean, factor: number): string {
  const usual = factor === 100 ? 1 : mean < 10 ? 3 : mean < 100 ? 2 : 1;
  const digits = stderr > 0 && factor * stderr < 0.5 * 10 ** -usual ? usual + 1 : usual;
  const text = (factor * mean).toFixed(digits);
  if (stderr === 0) return text;
  return `${text} ± ${(factor * stderr).toFixed(digits)}`;
}
