/** What a long piece of work tells whoever watches it. Rates and ETAs are the watcher's business. */
export type ProgressEvent =
  | { readonly type: "start"; readonly task: string; readonly total?: number; readonly unit?: string }
  | {
      readonly type: "advance";
      readonly task: string;
      readonly done: number;
      readonly total?: number;
      readonly unit?: string;
      readonly figures?: ProgressFigures;
    }
  | { readonly type: "end"; readonly task: string }
  | { readonly type: "info" | "warning"; readonly message: string };

/**
 * What else is to be watched while a task goes on, by what a person calls it, as of now: `{ loss: 2.31 }`. A watcher may draw
 * the first one as a curve.
 */
export type ProgressFigures = Readonly<Record<string, number>>;

/** Receives progress events. Must not throw and must return at once. */
export type ProgressListener = (event: ProgressEvent) => void;

/** Drops every event. */
export const silentProgress: ProgressListener = () => {};

/** Tells `listener` about a task of known length: started now, advanced by `advance`, over by `end`. */
export interface ProgressTask {
  advance(done: number, figures?: ProgressFigures): void;
  end(): void;
}

export function startTask(
  listener: ProgressListener,
  task: string,
  { total, unit }: { total?: number; unit?: string } = {},
): ProgressTask {
  listener({ type: "start", task, total, unit });
  return {
    advance: (done, figures) =>
      listener({ type: "advance", task, done, total, unit, ...(figures && { figures }) }),
    end: () => listener({ type: "end", task }),
  };
}
