import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

/** What a figure depends on besides the code. No names of hosts, users or folders. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** Processes that wanted to run in the minute before the start: far below `cores` on a quiet machine. */
  readonly loadBefore: number;
  readonly node: string;
  readonly onnxruntime: string;
  readonly python?: string;
  readonly torch?: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    loadBefore: Math.round(loadavg()[0]! * 100) / 100,
    node: process.versions.node,
    onnxruntime: onnxRuntimeVersion(),
  };
}

/** Of the copy that the backend loads. */
function onnxRuntimeVersion(): string {
  const backend = fileURLToPath(new URL("../../../plugins/backend-onnx/package.json", import.meta.url));
  return (createRequire(backend)("onnxruntime-node/package.json") as { version: string }).version;
}
