/** What one kernel has done since the log was cleared. */
export interface KernelRecord {
  readonly kernel: string;
  /** `native`: an ONNX graph or a plain copy of memory. `fallback`: the JavaScript kernel of tfjs's CPU backend. */
  readonly path: "native" | "fallback";
  readonly calls: number;
  readonly elapsedMs: number;
  /** Bytes of the tensors read and made. */
  readonly bytes: number;
  /** Elements of the largest tensor read or made. */
  readonly largestTensor: number;
}

type Counts = { -readonly [K in keyof KernelRecord]: KernelRecord[K] };

const records = new Map<string, Counts>();

/** Adds one call to the log. */
export function logKernel(
  kernel: string,
  path: KernelRecord["path"],
  elapsedMs: number,
  bytes: number,
  largestTensor: number,
): void {
  const key = `${kernel} ${path}`;
  let record = records.get(key);
  if (!record) {
    record = { kernel, path, calls: 0, elapsedMs: 0, bytes: 0, largestTensor: 0 };
    records.set(key, record);
  }
  record.calls++;
  record.elapsedMs += elapsedMs;
  record.bytes += bytes;
  record.largestTensor = Math.max(record.largestTensor, largestTensor);
}

/** What every kernel of the backend has done since the start or the last {@link clearKernelLog}; longest time first. */
export function kernelLog(): KernelRecord[] {
  return [...records.values()].map((r) => ({ ...r })).sort((a, b) => b.elapsedMs - a.elapsedMs);
}

/** Starts the log anew. */
export function clearKernelLog(): void {
  records.clear();
}

/** The log as a table of text. */
export function formatKernelLog(log: readonly KernelRecord[] = kernelLog()): string {
  const header = ["kernel", "path", "calls", "ms", "MB", "largest tensor"];
  const rows = log.map((r) => [
    r.kernel,
    r.path,
    String(r.calls),
    r.elapsedMs.toFixed(1),
    (r.bytes / 1e6).toFixed(1),
    String(r.largestTensor),
  ]);
  const all = [header, ...rows];
  const widths = header.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  const line = (row: string[]) =>
    row
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd();
  return `${all.map(line).join("\n")}\n`;
}
