import {
  cell,
  dot,
  line,
  rect,
  ruleX,
  ruleY,
  text,
  type PlotOptions,
  type ScaleOptions,
} from "@observablehq/plot";
import { drawLegend, drawPlot } from "../report/draw-plot.js";
import type { Markup } from "../report/html.js";
import type { KeptOverlap } from "./kept-overlap.js";
import type { Mean } from "./mean.js";
import { NUM_BINS, type ScoreProfile } from "./score-profiles.js";

/** One value of a method, at a place on the horizontal axis. */
export interface MethodPoint {
  readonly label: string;
  readonly x: number;
  readonly value: Mean;
}

const SYMBOLS: readonly string[] = [
  "circle",
  "square",
  "triangle",
  "diamond",
  "star",
  "cross",
  "wye",
  "plus",
  "times",
  "asterisk",
  "hexagon",
  "square2",
];

/** Legible by day and by night. */
const COLORS = [
  "#4269d0",
  "#d97706",
  "#e0525b",
  "#2a9d8f",
  "#7cb342",
  "#c2569f",
  "#9467bd",
  "#4aa3d9",
  "#9a6b4c",
  "#8a94a0",
  "#b59f00",
  "#5e7a3a",
];

/** Colour and symbol of each method, the same in all plots of a page. */
export function methodScales(labels: readonly string[]): Pick<PlotOptions, "color" | "symbol"> {
  const range = labels.map((_, i) => COLORS[i % COLORS.length]!);
  const symbols = labels.map((_, i) => SYMBOLS[i % SYMBOLS.length]!);
  return {
    color: { domain: labels, range },
    symbol: { domain: labels, range: symbols, legend: true },
  };
}

export interface CurvesRequest {
  readonly ariaLabel: string;
  readonly points: readonly MethodPoint[];
  /** Labels in their order, also of methods that have no point here. */
  readonly labels: readonly string[];
  readonly x: string;
  readonly y: string;
  readonly isLog?: boolean;
  /** Value of the dense model. */
  readonly dense?: number | undefined;
  readonly format: (value: number) => string;
  readonly height?: number;
}

/** A curve for each method with its standard errors; points of one place stand side by side. */
export function curves({
  ariaLabel,
  points,
  labels,
  x,
  y,
  isLog = false,
  dense,
  format,
  height = 400,
}: CurvesRequest): Markup {
  const xs = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const gap = xs.length > 1 ? Math.min(...xs.slice(1).map((value, i) => value - xs[i]!)) : 1;
  const hasErrors = points.some(({ value }) => (value.stderr ?? 0) > 0);
  const shift = (label: string): number =>
    hasErrors ? (labels.indexOf(label) - (labels.length - 1) / 2) * ((0.25 * gap) / labels.length) : 0;
  const placed = points.map(({ label, x: at, value }) => {
    const { mean, stderr = 0 } = value;
    const error = stderr > 0 ? ` ± ${format(stderr)}` : "";
    return {
      label,
      at: at + shift(label),
      mean,
      low: mean - stderr,
      high: mean + stderr,
      title: `${label}, ${x} ${at}: ${format(mean)}${error}`,
    };
  });
  const values = [...placed.flatMap(({ low, high }) => [low, high]), ...(dense === undefined ? [] : [dense])];
  return drawPlot({
    ariaLabel,
    width: 680,
    height,
    marginRight: 24,
    ...methodScales(labels),
    x: { label: x, ticks: xs.length > 12 ? 10 : xs, tickFormat: (value: number) => String(value), inset: 12 },
    y: { label: y, grid: true, ...(isLog ? logScale(values) : { nice: true }) },
    marks: [
      ...(dense === undefined
        ? []
        : [
            ruleY([dense], { strokeDasharray: "4 3", title: () => `dense: ${format(dense)}` }),
            text([dense], {
              y: (value: number) => value,
              frameAnchor: "right",
              text: () => `dense ${format(dense)}`,
              dy: -7,
              textAnchor: "end",
            }),
          ]),
      line(placed, {
        x: "at",
        y: "mean",
        stroke: "label",
        z: "label",
        strokeWidth: 1.5,
        strokeOpacity: 0.75,
      }),
      ruleX(
        placed.filter(({ low, high }) => high > low),
        { x: "at", y1: "low", y2: "high", stroke: "label", strokeWidth: 2 },
      ),
      dot(placed, {
        x: "at",
        y: "mean",
        stroke: "label",
        symbol: "label",
        fill: "label",
        r: 4,
        title: "title",
      }),
    ],
  });
}

/** A logarithmic axis that ends near the values and has ticks at round numbers. */
function logScale(values: readonly number[]): ScaleOptions {
  const [low, high] = [Math.min(...values) / 1.04, Math.max(...values) * 1.04];
  const steps = high / low > 20 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  const powers = Array.from({ length: 12 }, (_, i) => 10 ** (i - 3));
  const ticks = powers.flatMap((power) => steps.map((step) => Number((step * power).toPrecision(2))));
  return {
    type: "log",
    domain: [low, high],
    ticks: ticks.filter((tick) => tick >= low && tick <= high),
    tickFormat: (tick: number) => String(tick),
  };
}

/** What two methods keep in common, as a matrix. */
export function overlapMatrix({ ratio, labels, jaccard, chance }: KeptOverlap): Markup {
  const cells = labels.flatMap((a, i) =>
    labels.flatMap((b, k) => {
      const value = jaccard[i]![k];
      return value === undefined ? [] : [{ a, b, value }];
    }),
  );
  return drawPlot({
    ariaLabel: `Overlap of kept neurons between methods at ${Math.round(100 * ratio)} %`,
    width: Math.max(360, 150 + 58 * labels.length),
    height: Math.max(200, 90 + 40 * labels.length),
    marginLeft: 110,
    marginBottom: 80,
    padding: 0.04,
    x: { label: null, domain: labels, tickRotate: -35 },
    y: { label: null, domain: labels },
    color: {
      type: "quantize",
      n: 7,
      scheme: "YlGnBu",
      domain: [Math.min(chance, ...cells.map(({ value }) => value)), 1],
      legend: true,
      label: "Jaccard index",
      tickFormat: ".2f",
    },
    marks: [
      cell(cells, {
        x: "b",
        y: "a",
        fill: "value",
        title: ({ a, b, value }: (typeof cells)[number]) =>
          a === b ? `${a}, other seeds: ${value.toFixed(3)}` : `${a} and ${b}: ${value.toFixed(3)}`,
      }),
      text(cells, {
        x: "b",
        y: "a",
        text: ({ value }: (typeof cells)[number]) => value.toFixed(2),
        fill: ({ value }: (typeof cells)[number]) => (value > (1 + chance) / 2 ? "white" : "#16191d"),
      }),
    ],
  });
}

const SCORE_COLORS: ScaleOptions = {
  type: "threshold",
  domain: [-2, -1, -0.5, 0, 0.5, 1, 2, 4],
  scheme: "viridis",
};

/** What the colours of {@link scoreMap} mean. */
export function scoreLegend(): Markup {
  return drawLegend({
    color: { ...SCORE_COLORS, label: "standard deviations from the layer's mean" },
    width: 420,
  });
}

interface Bin {
  readonly layer: number;
  readonly bin: number;
  readonly value: number;
}

/** How a method's scores are spread within each layer: one row for each layer, its neurons from the best to the worst. */
export function scoreMap({ label, layers, keptShares }: ScoreProfile): Markup {
  const cells: Bin[] = layers.flatMap((bins, layer) => bins.map((value, bin) => ({ layer, bin, value })));
  const percentOf = (bin: number): number => (100 * bin) / NUM_BINS;
  return drawPlot({
    ariaLabel: `Scores of ${label} by layer`,
    width: 460,
    height: 56 + (layers.length <= 12 ? 18 : 9) * layers.length,
    marginBottom: 36,
    x: { label: "neurons of the layer, best first (%)", domain: [0, 100], ticks: 5 },
    y: {
      label: "layer",
      domain: [-0.5, layers.length - 0.5],
      reverse: true,
      ticks: layers.map((_, i) => i).filter((i) => layers.length <= 12 || i % 5 === 0),
      tickFormat: "d",
    },
    color: SCORE_COLORS,
    marks: [
      rect(cells, {
        x1: ({ bin }: Bin) => percentOf(bin),
        x2: ({ bin }: Bin) => percentOf(bin + 1),
        y1: ({ layer }: Bin) => layer - 0.5,
        y2: ({ layer }: Bin) => layer + 0.5,
        fill: "value",
        inset: -0.2,
        title: ({ layer, bin, value }: Bin) =>
          `layer ${layer}, ${percentOf(bin)} to ${percentOf(bin + 1)} %: ${value.toFixed(2)} standard deviations from the mean`,
      }),
      ruleX(
        keptShares.map((share) => 100 * share),
        { stroke: "white", strokeDasharray: "3 2", title: (share: number) => `${share.toFixed(0)} % stay` },
      ),
    ],
  });
}

/** Each model by its size. */
export function scatter({
  points,
  labels,
  x,
  y,
}: Pick<CurvesRequest, "points" | "labels" | "x" | "y">): Markup {
  return drawPlot({
    ariaLabel: `${y} against ${x}`,
    width: 680,
    height: 400,
    marginRight: 24,
    ...methodScales(labels),
    x: { label: x, nice: true, inset: 8 },
    y: { label: y, grid: true, ...logScale(points.map(({ value }) => value.mean)) },
    marks: [
      dot(points, {
        x: "x",
        y: ({ value }: MethodPoint) => value.mean,
        stroke: "label",
        fill: "label",
        symbol: "label",
        r: 4,
        title: ({ label, x: at, value }: MethodPoint) =>
          `${label}: ${at.toFixed(1)} MB, ${value.mean.toPrecision(4)}`,
      }),
    ],
  });
}
