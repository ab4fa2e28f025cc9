import { choices, htmlPage, htmlTable } from "../report/html-page.js";
import { html, type Markup } from "../report/html.js";
import { formatDuration } from "../format-duration.js";
import type { ComparisonResults, ResultRow } from "./collect-results.js";
import { formatMean } from "./leaderboard.js";
import { curves, overlapMatrix, scatter, scoreLegend, scoreMap, type MethodPoint } from "./report-plots.js";
import type { ScoreProfile } from "./score-profiles.js";

/** The results as one page with plots, which needs nothing but itself. */
export function comparisonReport(results: ComparisonResults, profiles: readonly ScoreProfile[]): string {
  const sections: readonly (Section | undefined)[] = [
    perplexitySection(results),
    accuracySection(results),
    layerErrorSection(results),
    overlapSection(results),
    profileSection(profiles),
    sizeSection(results),
    originSection(results),
  ];
  const shown = sections.filter((section) => section !== undefined);
  return htmlPage({
    title: results.title,
    body: html`<header>
        <h1>${results.title}</h1>
        ${results.description === undefined ? undefined : html`<p>${results.description}</p>`}
        <p class="soft">${stateOf(results)}</p>
      </header>
      <nav aria-label="Sections">
        <ul>
          ${shown.map(({ id, heading }) => html`<li><a href="#${id}">${heading}</a></li>`)}
        </ul>
      </nav>
      <main>
        ${shown.map(
          ({ id, heading, body }) =>
            html`<section id="${id}">
              <h2>${heading}</h2>
              ${body}
            </section> `,
        )}
      </main>`,
  });
}

interface Section {
  readonly id: string;
  readonly heading: string;
  readonly body: Markup;
}

/** Pruned models without recovery, or after one. */
function prunedRows({ rows }: ComparisonResults, recovery?: string): ResultRow[] {
  return rows.filter((row) => row.ratio > 0 && row.recovery === recovery);
}

function labelsOf({ rows }: ComparisonResults): string[] {
  return [...new Set(rows.filter(({ ratio }) => ratio > 0).map(({ label }) => label))];
}

function recoveriesOf({ rows }: ComparisonResults): (string | undefined)[] {
  return [...new Set(rows.map(({ recovery }) => recovery))];
}

function perplexitySection(results: ComparisonResults): Section | undefined {
  const { perplexities } = results;
  const texts = perplexities.filter((name) => prunedRows(results).some((row) => row.perplexity[name]));
  if (texts.length === 0) return undefined;
  const body = html`<p>
      Lower is better. Bars are the standard error over seeds; a point without a bar has one seed, or seeds
      that agree. The axis is logarithmic.
    </p>
    ${choices(
      "perplexity-text",
      "Text",
      texts.map((name) => ({ label: name, body: perplexityOf(results, name) })),
    )}`;
  return { id: "perplexity", heading: "Perplexity against ratio", body };
}

function perplexityOf(results: ComparisonResults, name: string): Markup {
  const value = (row: ResultRow): ResultRow["accuracy"] => row.perplexity[name];
  const plots = recoveriesOf(results).flatMap((recovery) => {
    const points = pointsOf(prunedRows(results, recovery), value);
    if (points.length === 0) return [];
    const label = recovery ?? "as pruned";
    const body = curves({
      ariaLabel: `Perplexity on ${name} against the part removed, ${label}`,
      points,
      labels: labelsOf(results),
      x: "parameters removed (%)",
      y: "perplexity",
      isLog: true,
      dense: denseRow(results, recovery)?.perplexity[name]?.mean,
      format: (each) => (each < 10 ? each.toFixed(2) : each.toFixed(1)),
    });
    return [{ label, body }];
  });
  const table = comparisonTable(
    results,
    (row) => value(row),
    1,
    (row) => row.versusReference?.nll[name]?.pValue,
  );
  return html`<div class="beside">
    ${choices(`perplexity-recovery-${results.perplexities.indexOf(name)}`, "Models", plots)} ${table}
  </div>`;
}

function accuracySection(results: ComparisonResults): Section | undefined {
  const plots = recoveriesOf(results).flatMap((recovery) => {
    const points = pointsOf(prunedRows(results, recovery), ({ accuracy }) => accuracy);
    if (points.length === 0) return [];
    const label = recovery ?? "as pruned";
    const body = curves({
      ariaLabel: `Mean accuracy against the part removed, ${label}`,
      points: points.map(({ value: { mean, stderr, n }, ...point }) => ({
        ...point,
        value: { mean: 100 * mean, stderr: stderr === undefined ? undefined : 100 * stderr, n },
      })),
      labels: labelsOf(results),
      x: "parameters removed (%)",
      y: "mean accuracy (%)",
      dense: scaled(denseRow(results, recovery)?.accuracy?.mean),
      format: (each) => each.toFixed(1),
    });
    return [{ label, body }];
  });
  if (plots.length === 0) return undefined;
  const body = html`<p>
      Higher is better: the plain mean over the tasks of their main metric. Bars are the standard error over
      seeds, or where there is one seed that of the documents.
    </p>
    <div class="beside">
      ${choices("accuracy-recovery", "Models", plots)}
      ${comparisonTable(
        results,
        (row) => row.accuracy,
        100,
        (row) => row.versusReference?.accuracy?.pValue,
      )}
    </div>
    ${taskTables(results)}`;
  return { id: "accuracy", heading: "Accuracy against ratio", body };
}

function scaled(share: number | undefined): number | undefined {
  return share === undefined ? undefined : 100 * share;
}

/** Every task of every model. */
function taskTables({ rows }: ComparisonResults): Markup {
  const judged = rows
    .flatMap((row) => row.seeds.map((seed) => ({ row, seed })))
    .filter(({ seed }) => seed.accuracy !== undefined);
  const tasks = [...new Set(judged.flatMap(({ seed }) => Object.keys(seed.tasks)))];
  const body = judged.map(({ row, seed }) => [
    `${nameOf(row)}${row.seeds.length > 1 ? `, seed ${seed.seed}` : ""}`,
    ...tasks.map((task) => {
      const found = seed.tasks[task];
      return found && (100 * found.value).toFixed(1);
    }),
    (100 * seed.accuracy!.value).toFixed(1),
    (100 * (seed.accuracyWithoutBias?.value ?? NaN)).toFixed(1),
  ]);
  return html`<details>
    <summary>Each task, %</summary>
    ${htmlTable(["model", ...tasks, "mean", "without bias"], body)}
  </details>`;
}

function layerErrorSection(results: ComparisonResults): Section | undefined {
  const rows = prunedRows(results).filter(({ seeds }) => seeds.some(({ layerError }) => layerError));
  if (rows.length === 0) return undefined;
  const plots = ratiosOf(rows).map((ratio) => ({
    label: percentText(ratio),
    body: curves({
      ariaLabel: `Relative error of each layer's MLP at ${percentText(ratio)}`,
      points: rows.filter((row) => row.ratio === ratio).flatMap(layerErrorPoints),
      labels: labelsOf(results),
      x: "layer",
      y: "relative error",
      format: (each) => each.toFixed(3),
    }),
  }));
  const body = html`<p>
      How far the output of each pruned MLP is from the original's, both fed with what the original model
      feeds it: root mean square of the difference over that of the output, on held-out text. 0 is the same, 1
      as far off as no MLP at all. Mean over the seeds.
    </p>
    ${choices("layer-error-ratio", "Removed", plots)}`;
  return { id: "layer-error", heading: "Error of each layer", body };
}

function layerErrorPoints({ label, seeds }: ResultRow): MethodPoint[] {
  const measured = seeds.flatMap(({ layerError }) => (layerError ? [layerError] : []));
  if (measured.length === 0) return [];
  return measured[0]!.map((_, layer) => {
    const values = measured.map((errors) => errors[layer]!);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return { label, x: layer, value: { mean, stderr: undefined, n: values.length } };
  });
}

function overlapSection({ overlaps }: ComparisonResults): Section | undefined {
  if (overlaps.length === 0) return undefined;
  const plots = overlaps.map((overlap) => ({
    label: percentText(overlap.ratio),
    body: html`${overlapMatrix(overlap)}
      <p class="soft">Two random choices come to ${overlap.chance.toFixed(2)}.</p>`,
  }));
  const body = html`<p>
      Jaccard index of the neurons that two methods keep: those both keep over those either keeps, mean over
      the layers, at the first seed. On the diagonal a method with itself at the other seeds: what its choice
      owes to the calibration samples.
    </p>
    ${choices("overlap-ratio", "Removed", plots)}`;
  return { id: "overlap", heading: "Overlap of kept neurons", body };
}

function profileSection(profiles: readonly ScoreProfile[]): Section | undefined {
  if (profiles.length === 0) return undefined;
  const body = html`<p>
      Each row is a layer, its neurons sorted from the highest score to the lowest; colour says how many
      standard deviations a group of them is from the layer's mean. A bright left end means that few neurons
      stand out; the last stage's scores, at the first seed. Dashed lines: how many stay at each ratio.
    </p>
    ${scoreLegend()}
    <div class="grid">
      ${profiles.map(
        (profile) =>
          html`<div>
            <h3>${profile.label}${profile.importance === profile.label ? "" : ` (${profile.importance})`}</h3>
            ${scoreMap(profile)}
          </div>`,
      )}
    </div>`;
  return { id: "scores", heading: "Scores by layer", body };
}

function sizeSection(results: ComparisonResults): Section | undefined {
  const rows = prunedRows(results).filter(({ seeds }) => seeds.some(({ bytes }) => bytes !== undefined));
  const [text] = results.perplexities;
  if (rows.length === 0) return undefined;
  const points = rows.flatMap((row): MethodPoint[] => {
    const bytes = row.seeds.find((seed) => seed.bytes !== undefined)!.bytes!;
    const value = text === undefined ? undefined : row.perplexity[text];
    return value ? [{ label: row.label, x: bytes / 1e6, value }] : [];
  });
  const timed = rows.flatMap(({ seeds }) => seeds.flatMap((seed) => seed.latency ?? []));
  const isTimed = timed.length > 0;
  const table = htmlTable(
    [
      "model",
      "parameters",
      "removed, total",
      "of the MLPs",
      "width",
      "file, MB",
      "pruning, s",
      ...(isTimed ? ["prefill × dense", "decode × dense"] : []),
    ],
    rows.map((row) => {
      const { parameters, removed, widths, bytes, latency } = row.seeds.find(
        (seed) => seed.bytes !== undefined,
      )!;
      const [least, most] = [Math.min(...widths!), Math.max(...widths!)];
      const seconds = row.seeds.flatMap((seed) => seed.seconds["prune"] ?? []);
      return [
        nameOf(row),
        parameters!.toLocaleString("en-US"),
        percentText(removed!.total, 1),
        percentText(removed!.mlp, 1),
        least === most ? least : `${least} to ${most}`,
        (bytes! / 1e6).toFixed(1),
        (seconds.reduce((a, b) => a + b, 0) / seconds.length).toFixed(1),
        ...(isTimed ? [latency?.ratios.prefill.toFixed(2), latency?.ratios.decode.toFixed(2)] : []),
      ];
    }),
  );
  const body = html`<p>
      The size of the weights' file, and how long it took to write it. Methods that only score share their
      passes over the samples, which are not in this time; those that train while they prune have all their
      time in it.
    </p>
    ${points.length === 0 ? undefined : scatter({ points, labels: labelsOf(results), x: "size of the file (MB)", y: `perplexity, ${text!}` })}
    ${isTimed ? speedOf(rows) : undefined}
    <details>
      <summary>Sizes and times as a table</summary>
      ${table}
    </details>`;
  return { id: "size", heading: "Size and speed", body };
}

/** Prefill and decode by ratio, of the first model that was timed at it: equal widths are equally fast. */
function speedOf(rows: readonly ResultRow[]): Markup {
  const points = ratiosOf(rows).flatMap((ratio): MethodPoint[] => {
    const latency = rows
      .filter((row) => row.ratio === ratio)
      .flatMap(({ seeds }) => seeds.flatMap((seed) => seed.latency ?? []))[0];
    if (!latency) return [];
    const at = (label: "prefill" | "decode"): MethodPoint => ({
      label,
      x: Number((100 * ratio).toFixed(6)),
      value: { mean: latency.ratios[label], stderr: undefined, n: 1 },
    });
    return [at("prefill"), at("decode")];
  });
  const { promptTokens, decodeTokens, batch } = rows.flatMap(({ seeds }) =>
    seeds.flatMap((seed) => seed.latency ?? []),
  )[0]!;
  return html`<p>
      Tokens per second over the dense model's, timed in turns: a prompt of ${promptTokens} tokens, then
      ${decodeTokens} tokens one by one; batch ${batch}.
    </p>
    ${curves({
      ariaLabel: "Speed over the dense model's against the part removed",
      points,
      labels: ["prefill", "decode"],
      x: "parameters removed (%)",
      y: "times the dense model's speed",
      dense: 1,
      format: (each) => each.toFixed(2),
      height: 280,
    })}`;
}

function originSection({
  machine,
  commits,
  command,
  version,
  cells,
  experiment,
  model,
}: ComparisonResults): Section {
  const rows = [
    [
      "Machine",
      `${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}`,
    ],
    [
      "Program",
      `sdmprune ${version}${commits.length > 0 ? `, commits ${commits.map((each) => each.slice(0, 12)).join(", ")}` : ""}`,
    ],
    ["Command", command],
    ["Model", `${model.parameters.toLocaleString("en-US")} parameters, sha256 ${model.sha256.slice(0, 16)}`],
    ["Cells", `${cells.finished} of ${cells.all}, ${formatDuration(cells.seconds)} of computing`],
  ];
  const body = html`<dl>
      ${rows.map(([name, value]) =>
        value === undefined
          ? undefined
          : html`<dt>${name}</dt>
              <dd>${value}</dd>`,
      )}
    </dl>
    ${
      experiment === undefined
        ? undefined
        : html`<details>
            <summary>The experiment</summary>
            <pre>${JSON.stringify(experiment, null, 2)}</pre>
          </details>`
    }`;
  return { id: "origin", heading: "How it was measured", body };
}

/** One row for each method, one column for each ratio. */
function comparisonTable(
  results: ComparisonResults,
  value: (row: ResultRow) => ResultRow["accuracy"],
  factor: number,
  pValue: (row: ResultRow) => number | undefined,
): Markup {
  const rows = results.rows.filter((row) => row.ratio > 0 && value(row));
  const columns = recoveriesOf(results).flatMap((recovery) =>
    ratiosOf(rows.filter((row) => row.recovery === recovery)).map((ratio) => ({ ratio, recovery })),
  );
  const best = columns.map(({ ratio, recovery }) => {
    const means = rows
      .filter((row) => row.ratio === ratio && row.recovery === recovery)
      .map((row) => value(row)!.mean);
    return factor === 100 ? Math.max(...means) : Math.min(...means);
  });
  const body = labelsOf(results).map((label) => [
    label,
    ...columns.map(({ ratio, recovery }, i) => {
      const row = rows.find(
        (each) => each.label === label && each.ratio === ratio && each.recovery === recovery,
      );
      if (!row) return undefined;
      const text = formatMean(value(row)!, factor);
      const p = pValue(row);
      return html`${value(row)!.mean === best[i] ? html`<strong>${text}</strong>` : text}${p === undefined ? undefined : html`<br /><span class="soft">p ${p < 0.001 ? "< 0.001" : p.toFixed(3)}</span>`}`;
    }),
  ]);
  return html`<details open>
    <summary>As a table</summary>
    ${htmlTable(["method", ...columns.map(({ ratio, recovery }) => `${percentText(ratio)}${recovery === undefined ? "" : `, ${recovery}`}`)], body)}
    <p class="soft">
      The best of a column is bold. p: paired bootstrap against ${results.reference}, two-sided, not corrected
      for the number of methods.
    </p>
  </details>`;
}

function pointsOf(
  rows: readonly ResultRow[],
  value: (row: ResultRow) => ResultRow["accuracy"],
): MethodPoint[] {
  return rows.flatMap((row) => {
    const found = value(row);
    return found ? [{ label: row.label, x: Number((100 * row.ratio).toFixed(6)), value: found }] : [];
  });
}

function denseRow({ rows }: ComparisonResults, recovery: string | undefined): ResultRow | undefined {
  return rows.find((row) => row.ratio === 0 && row.recovery === recovery);
}

function ratiosOf(rows: readonly ResultRow[]): number[] {
  return [...new Set(rows.map(({ ratio }) => ratio))].sort((a, b) => a - b);
}

function nameOf({ label, ratio, recovery }: ResultRow): string {
  return `${label}${ratio === 0 ? "" : ` ${percentText(ratio)}`}${recovery === undefined ? "" : ` + ${recovery}`}`;
}

function percentText(ratio: number, digits = 0): string {
  return `${(100 * ratio).toFixed(digits)} %`;
}

function stateOf({ cells, rows, reference, perplexities }: ComparisonResults): string {
  const state =
    cells.finished === cells.all
      ? `All ${cells.all} cells are finished.`
      : `${cells.finished} of ${cells.all} cells are finished so far.`;
  const [text] = perplexities;
  const judged = rows.filter(
    (row) => row.ratio > 0 && row.recovery === undefined && text !== undefined && row.perplexity[text],
  );
  const bests = ratiosOf(judged).map((ratio) => {
    const [best] = judged
      .filter((row) => row.ratio === ratio)
      .sort((a, b) => a.perplexity[text!]!.mean - b.perplexity[text!]!.mean);
    return `${best!.label} at ${percentText(ratio)} (${formatMean(best!.perplexity[text!]!, 1)})`;
  });
  if (bests.length === 0) return state;
  return `${state} Lowest perplexity on ${text!}: ${bests.join(", ")}. Methods are tested against ${reference}.`;
}
