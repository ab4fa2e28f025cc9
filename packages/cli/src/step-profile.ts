import type { ProgressListener } from "@sdmprune/core";

/** Clocks of a run, in milliseconds. */
export interface StepClocks {
  now(): number;
  /** In the engine's kernels so far; undefined while there is no engine, or it does not count. */
  kernelMs(): number | undefined;
}

/**
 * Says after each task of a run how long it took and how much of that the engine's kernels did; the rest is reading
 * files, JavaScript and waiting.
 */
export function profileSteps(
  listener: ProgressListener,
  { now, kernelMs }: StepClocks,
  print: (line: string) => void,
): ProgressListener {
  const started = new Map<string, { at: number; kernels: number }>();
  return (event) => {
    listener(event);
    if (event.type === "start") started.set(event.task, { at: now(), kernels: kernelMs() ?? 0 });
    if (event.type !== "end") return;
    const start = started.get(event.task);
    const kernels = kernelMs();
    if (!start || !started.delete(event.task)) return;
    const ms = now() - start.at;
    const inside = kernels === undefined ? 0 : kernels - start.kernels;
    const share = ms > 0 ? (100 * inside) / ms : 0;
    print(
      `profile: ${event.task}: ${(ms / 1000).toFixed(2)} s, in kernels ${(inside / 1000).toFixed(2)} s (${share.toFixed(1)} %)`,
    );
  };
}
