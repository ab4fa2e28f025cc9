import type { ProgressEvent, ProgressListener } from "@sdmprune/core";
import { formatDuration } from "@sdmprune/recipes";

/** Where progress goes: standard error, or anything like it. */
export interface ProgressOutput {
  write(text: string): void;
  /** A terminal gets one line that is drawn over; anything else a line now and then. */
  readonly isTTY?: boolean;
}

/** Milliseconds between two drawings on a terminal, and between two lines elsewhere. */
const TERMINAL_INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 5000;

/** Prints progress events with a rate and an ETA. */
export function createProgressView(
  output: ProgressOutput,
  { now = Date.now }: { now?: () => number } = {},
): ProgressListener {
  const interval = output.isTTY ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS;
  let task: { name: string; startedAt: number; firstDone?: number; drawnAt: number } | undefined;
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

  return (event: ProgressEvent): void => {
    switch (event.type) {
      case "info":
        return line(event.message);
      case "warning":
        return line(`warning: ${event.message}`);
      case "start":
        task = { name: event.task, startedAt: now(), drawnAt: now() };
        return draw(
          event.total === undefined ? event.task : `${event.task}: ${event.total} ${event.unit ?? "steps"}`,
        );
      case "advance": {
        if (task?.name !== event.task) return;
        task.firstDone ??= event.done - 1;
        const isLast = event.done === event.total;
        if (now() - task.drawnAt < interval && !isLast) return;
        task.drawnAt = now();
        return draw(advanceText(event, now() - task.startedAt, event.done - task.firstDone));
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
