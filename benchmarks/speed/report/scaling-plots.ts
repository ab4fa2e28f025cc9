import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { CaseResult } from "./speed-results.js";

const PREFIX = "scaling-";

/** Whether a case belongs to a curve instead of to the table. */
export function isScalingCase({ name }: Pick<CaseResult, "name">): boolean {
  return name.startsWith(PREFIX);
}

interface Point {
  readonly value: number;
  readonly seconds: number;
  /** Seconds per 10^12 operations: constant where the cost follows the arithmetic. */
  readonly secondsPerTera: number;
  readonly gibibytes: number;
}

/** Points by what is varied. */
function curves(cases: readonly CaseResult[]): Map<string, Point[]> {
  const found = new Map<string, Point[]>();
  for (const each of cases.filter(isScalingCase)) {
    const [scale = "", value] = each.name.slice(PREFIX.length).split("/");
    const seconds = each.ours.medianMs / 1000;
    const point = {
      value: Number(value),
      seconds,
      secondsPerTera: seconds / (each.flops! / 1e12),
      gibibytes: (each.ours.peakBytes ?? NaN) / 2 ** 30,
    };
    found.set(scale, [...(found.get(scale) ?? []), point]);
  }
  return found;
}

/** The drawings by file name. */
export function scalingPlots(cases: readonly CaseResult[]): Map<string, string> {
  const plots = new Map<string, string>();
  for (const [scale, points] of curves(cases)) plots.set(fileOf(scale), drawCurve(scale, points));
  return plots;
}

function fileOf(scale: string): string {
  return `speed-${PREFIX}${scale}.svg`;
}

/** Time over arithmetic by size, on axes that begin at 0. */
function drawCurve(scale: string, points: readonly Point[]): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const most = Math.max(...points.map(({ secondsPerTera }) => secondsPerTera));
  const svg = Plot.plot({
    document,
    width: 480,
    height: 240,
    marginLeft: 56,
    x: { label: scale, type: "log", ticks: points.map(({ value }) => value), tickFormat: String },
    y: { label: "seconds per 10¹² operations", domain: [0, 1.2 * most], grid: true },
    marks: [
      Plot.ruleY([0]),
      Plot.lineY(points, { x: "value", y: "secondsPerTera" }),
      Plot.dot(points, { x: "value", y: "secondsPerTera", fill: "currentColor" }),
    ],
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("style", "background: white; color: black");
  return `${svg.outerHTML}\n`;
}

/** The part of the page that shows the curves, with the spread of each. */
export function scalingSection(cases: readonly CaseResult[]): string[] {
  const found = curves(cases);
  if (found.size === 0) return [];
  return [
    "## As things grow",
    "",
    "Both stages of SDMPrune at the shape of SmolLM2-135M, one sample of 1024 tokens, with one thing varied. Where cost follows",
    "the arithmetic, seconds per 10¹² operations are constant. *Spread* is the largest over the smallest.",
    "",
    ...[...found].flatMap(([scale, points]) => [
      `![Seconds per operation by ${scale}](${fileOf(scale)})`,
      "",
      `| ${scale} | seconds | seconds per 10¹² operations | peak memory, GiB |`,
      "| ---: | ---: | ---: | ---: |",
      ...points.map(
        ({ value, seconds, secondsPerTera, gibibytes }) =>
          `| ${value} | ${seconds.toFixed(2)} | ${secondsPerTera.toFixed(2)} | ${gibibytes.toFixed(2)} |`,
      ),
      "",
      `Spread: ${spread(points).toFixed(2)}.`,
      "",
    ]),
  ];
}

function spread(points: readonly Point[]): number {
  const each = points.map(({ secondsPerTera }) => secondsPerTera);
  return Math.max(...each) / Math.min(...each);
}
