/** What a long piece of work tells whoever watches it. Rates and ETAs are the watcher's business. */
export type ProgressEvent =
  | { readonly type: "start"; readonly task: string; readonly total?: number; readonly unit?: string }
  | {
      readonly type: "advance";
      readonly task: string;
      readonly done: number;
      readonly total?: number;
      readonly unit?: string;
    }
  | { readonly type: "end"; readonly task: string }
  | { readonly type: "info" | "warning"; readonly message: string };

/** Receives progress events. Must not throw and must return at once. */
export type ProgressListener = (event: ProgressEvent) => void;

/** Drops every event. */
export const silentProgress: ProgressListener = () => {};

/** Tells `listener` about a task of known length: started now, advanced by `advance`, over by `end`. */
export interface ProgressTask {
  advance(done: number): void;
  end(): void;
}

export function startTask(
  listener: ProgressListener,
  task: string,
  { total, unit }: { total?: number; unit?: string } = {},
): ProgressTask {
  listener({ type: "start", task, total, unit });
  return {
    advance: (done) => listener({ type: "advance", task, done, total, unit }),
    end: () => listener({ type: "end", task }),
  };
}
