import type { ProgressEvent, ProgressListener } from "@sdmprune/core";
import { formatDuration } from "@sdmprune/recipes";
import { sparkline } from "./sparkline.js";

/** Where progress goes: standard error, or anything like it. */
export interface ProgressOutput {
  write(text: string): void;
  /** A terminal gets one line that is drawn over; anything else a line now and then. */
  readonly isTTY?: boolean;
  /** Width of the terminal in characters, where it is known. */
  readonly columns?: number;
}

/** Milliseconds between two drawings on a terminal, and between two lines elsewhere. */
const TERMINAL_INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 5000;

/** Characters of a curve, at most and at least. */
const MAX_CURVE = 40;
const MIN_CURVE = 8;

/** Prints progress events with a rate and an ETA, the figures to watch, and on a terminal a curve of the first of them. */
export function createProgressView(
  output: ProgressOutput,
  { now = Date.now }: { now?: () => number } = {},
): ProgressListener {
  const interval = output.isTTY ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS;
  let task:
    { name: string; startedAt: number; firstDone?: number; drawnAt: number; curve: number[] } | undefined;
  let isLineOpen = false;

  const line = (text: string): void => {
    output.write((isLineOpen ? "\r\u001b[K" : "") + text + "\n");
    isLineOpen = false;
  };
  const draw = (text: string): void => {
    if (!output.isTTY) return line(text);
    output.write(`\r\u001b[K${text}`);
    isLineOpen = true;
  };

  /** The curve so far, where the line has room for it: a line that wraps cannot be drawn over. */
  const curveBeside = (text: string, curve: readonly number[]): string => {
    const room = Math.min(MAX_CURVE, (output.columns ?? 80) - text.length - 3);
    return curve.length < 2 || room < MIN_CURVE ? "" : `  ${sparkline(curve, room)}`;
  };

  return (event: ProgressEvent): void => {
    switch (event.type) {
      case "info":
        return line(event.message);
      case "warning":
        return line(`warning: ${event.message}`);
      case "start":
        task = { name: event.task, startedAt: now(), drawnAt: now(), curve: [] };
        return draw(
          event.total === undefined ? event.task : `${event.task}: ${event.total} ${event.unit ?? "steps"}`,
        );
      case "advance": {
        if (task?.name !== event.task) return;
        task.firstDone ??= event.done - 1;
        const { figures = {} } = event;
        const [first] = Object.values(figures);
        if (first !== undefined) task.curve.push(first);
        const isLast = event.done === event.total;
        if (now() - task.drawnAt < interval && !isLast) return;
        task.drawnAt = now();
        const text = advanceText(event, now() - task.startedAt, event.done - task.firstDone);
        const watched = Object.entries(figures).map(([name, value]) => `, ${name} ${formatFigure(value)}`);
        return draw(
          text + watched.join("") + (output.isTTY ? curveBeside(text + watched.join(""), task.curve) : ""),
        );
      }
      case "end":
        if (isLineOpen) output.write("\n");
        isLineOpen = false;
        task = undefined;
    }
  };
}

function advanceText(
  { task, done, total, unit = "steps" }: Extract<ProgressEvent, { type: "advance" }>,
  elapsedMs: number,
  doneNow: number,
): string {
  const perSecond = doneNow / (elapsedMs / 1000);
  const isKnown = perSecond > 0 && Number.isFinite(perSecond);
  const rate = isKnown ? `, ${formatRate(perSecond, unit)}` : "";
  if (total === undefined) return `${task}: ${formatCount(done, unit)}${rate}`;
  const eta = isKnown && done < total ? `, ${formatDuration((total - done) / perSecond)} left` : "";
  return `${task}: ${unit === "bytes" ? "" : `${done}/`}${formatCount(total, unit)}${rate}${eta}`;
}

function formatCount(count: number, unit: string): string {
  return unit === "bytes" ? `${(count / 1e6).toFixed(1)} MB` : `${count} ${unit}`;
}

function formatRate(perSecond: number, unit: string): string {
  if (unit === "bytes") return `${(perSecond / 1e6).toFixed(0)} MB/s`;
  return `${perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toPrecision(3)} ${unit}/s`;
}

function formatFigure(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(4);
}
