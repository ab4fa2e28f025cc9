import { dot, gridY, line, ruleY, type Markish, type PlotOptions } from "@observablehq/plot";
import type { TrainingMetrics } from "@sdmprune/lora";
import { formatDuration } from "../format-duration.js";
import { drawPlot } from "./draw-plot.js";
import { html, type Markup } from "./html.js";
import { htmlPage, htmlTable } from "./html-page.js";

export interface TrainingReport {
  readonly title: string;
  /** What was asked for, as rows of a table: model, data, hyper-parameters. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  /** Every step, in order, as in metrics.jsonl. */
  readonly metrics: readonly TrainingMetrics[];
  /** Steps of the whole training. */
  readonly totalSteps: number;
}

/** More points than this are drawn as the means of as many stretches: the eye sees no more, and the page stays small. */
const MAX_POINTS = 600;
const LOSS_COLOR = "#4269d0";
const EVAL_COLOR = "#ff725c";

/** A page that shows how a training went: loss, held-out loss, learning rate, gradient norm and speed over the steps. */
export function trainingReport({ title, settings, metrics, totalSteps }: TrainingReport): string {
  return htmlPage({
    title,
    body: [
      html`<h1>${title}</h1>`,
      html`<p>${summary(metrics, totalSteps)}</p>`,
      metrics.length === 0 ? undefined : plots(metrics),
      html`<h2>Settings</h2>`,
      htmlTable(["", "value"], settings),
    ],
  });
}

function summary(metrics: readonly TrainingMetrics[], totalSteps: number): string {
  const last = metrics.at(-1);
  if (!last) return `No step of ${totalSteps} is done.`;
  const seconds = last.elapsedMs / 1000;
  const evals = evaluated(metrics);
  const best = evals.reduce<Evaluated | undefined>(
    (a, b) => (a === undefined || b.evalLoss < a.evalLoss ? b : a),
    undefined,
  );
  const heldOut =
    best === undefined
      ? ""
      : ` Held-out loss went from ${format(evals[0]!.evalLoss)} (step ${evals[0]!.step}) to ` +
        `${format(evals.at(-1)!.evalLoss)} (step ${evals.at(-1)!.step}); the lowest is ${format(best.evalLoss)} at step ${best.step}.`;
  return (
    `${last.step} of ${totalSteps} steps, ${last.tokens} tokens in ${formatDuration(seconds)} ` +
    `(${format(last.tokens / seconds)} tokens/s). Loss went from ${format(metrics[0]!.loss)} to ${format(last.loss)}.${heldOut}`
  );
}

function plots(metrics: readonly TrainingMetrics[]): Markup {
  const points = thinned(metrics);
  const curve = (key: "loss" | "learningRate" | "gradNorm" | "tokensPerSecond"): Markish =>
    line(points, { x: "step", y: key, stroke: LOSS_COLOR }); // no title: each one would begin a line of its own
  const evals = evaluated(metrics);
  const lossMarks: Markish[] = [gridY(), curve("loss")];
  if (evals.length > 0) {
    const heldOut = { x: "step", y: "evalLoss" };
    const title = (d: Evaluated): string => `step ${d.step}: held-out ${format(d.evalLoss)}`;
    lossMarks.push(line(evals, { ...heldOut, stroke: EVAL_COLOR }));
    lossMarks.push(dot(evals, { ...heldOut, fill: EVAL_COLOR, title }));
  }
  const colors = {
    domain: evals.length > 0 ? ["training", "held-out"] : ["training"],
    range: [LOSS_COLOR, EVAL_COLOR],
    legend: true,
  };
  const small = (
    label: string,
    key: "learningRate" | "gradNorm" | "tokensPerSecond",
    y: PlotOptions["y"] = {},
  ): Markup =>
    drawPlot({
      ariaLabel: `${label} over the steps`,
      height: 240,
      marginLeft: 64,
      x: { label: "step" },
      y: { label, ...y },
      marks: [gridY(), ruleY([0]), curve(key)],
    });
  return html`<h2>Loss</h2>
    <p class="soft">Mean cross-entropy or distillation loss of the step's target tokens, in nats.</p>
    ${drawPlot({
      ariaLabel: "Loss over the steps",
      width: 960,
      height: 360,
      x: { label: "step" },
      y: { label: "loss" },
      color: colors,
      marks: lossMarks,
    })}
    <h2>Steps</h2>
    <div class="grid">
      ${small("learning rate", "learningRate", { tickFormat: "~g" })} ${small("gradient norm", "gradNorm")}
      ${small("tokens per second", "tokensPerSecond")}
    </div>`;
}

type Evaluated = TrainingMetrics & { readonly evalLoss: number };

function evaluated(metrics: readonly TrainingMetrics[]): Evaluated[] {
  return metrics.filter((each): each is Evaluated => each.evalLoss !== undefined);
}

/** Means of stretches of equal length; a value that is not finite makes a gap. */
function thinned(metrics: readonly TrainingMetrics[]): TrainingMetrics[] {
  const size = Math.ceil(metrics.length / MAX_POINTS);
  if (size === 1) return [...metrics];
  const keys = ["loss", "learningRate", "gradNorm", "tokensPerSecond"] as const;
  return Array.from({ length: Math.ceil(metrics.length / size) }, (_, i) => {
    const stretch = metrics.slice(i * size, (i + 1) * size);
    const means = keys.map((key) => [
      key,
      stretch.reduce((sum, each) => sum + each[key], 0) / stretch.length,
    ]);
    return { ...stretch.at(-1)!, ...(Object.fromEntries(means) as Partial<TrainingMetrics>) };
  });
}

function format(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "not finite";
}
