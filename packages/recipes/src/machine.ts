import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";

/** Where a number was measured. No names of hosts, users or folders. */
export interface Machine {
  /** Its name; on Linux with family and model, since virtual machines leave the generation out of the name. */
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
}

export function describeMachine(): Machine {
  return {
    cpu: processor(),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    node: process.versions.node,
  };
}

function processor(): string {
  const name = cpus()[0]?.model.trim() ?? "unknown";
  if (process.platform !== "linux") return name;
  let info: string;
  try {
    info = readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return name;
  }
  const [, family] = /^cpu family\s*:\s*(\d+)$/m.exec(info) ?? [];
  const [, model] = /^model\s*:\s*(\d+)$/m.exec(info) ?? [];
  return family === undefined || model === undefined ? name : `${name}, family ${family} model ${model}`; // not on ARM
}
