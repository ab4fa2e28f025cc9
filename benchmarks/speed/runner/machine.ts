import { createRequire } from "node:module";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { describeMachine as describeComputer, type Machine as Computer } from "@sdmprune/recipes";

/** What a figure depends on besides the code. */
export interface Machine extends Computer {
  /** Processes that wanted to run in the minute before the start: far below `cores` on a quiet machine. */
  readonly loadBefore: number;
  readonly onnxruntime: string;
  readonly python?: string;
  readonly torch?: string;
}

export function describeMachine(): Machine {
  return {
    ...describeComputer(),
    loadBefore: Math.round(loadavg()[0]! * 100) / 100,
    onnxruntime: onnxRuntimeVersion(),
  };
}

/** Of the copy that the backend loads. */
function onnxRuntimeVersion(): string {
  const backend = fileURLToPath(new URL("../../../plugins/backend-onnx/package.json", import.meta.url));
  return (createRequire(backend)("onnxruntime-node/package.json") as { version: string }).version;
}
