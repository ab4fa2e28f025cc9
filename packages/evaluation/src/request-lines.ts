import type { TaskRequest } from "./task.js";

/**
 * A request as one JSON line: `[context, continuation]`, `[text]` for a whole text, `[context, settings]` for a text
 * to write. The SHA-256 over a task's lines tells whether two programs ask the same.
 */
export function requestLine(request: TaskRequest): string {
  return `${JSON.stringify(requestArguments(request))}\n`;
}

/** A request's arguments, as lm-eval logs them. */
export function requestArguments(request: TaskRequest): readonly unknown[] {
  switch (request.type) {
    case "loglikelihood":
      return [request.context, request.continuation];
    case "loglikelihood_rolling":
      return [request.text];
    case "generate_until": {
      const { context, until, maxTokens, temperature = 0 } = request;
      return [context, { until, max_gen_toks: maxTokens, temperature, do_sample: temperature > 0 }];
    }
  }
}
