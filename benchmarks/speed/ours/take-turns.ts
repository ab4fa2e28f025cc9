/** A thing to time. Its name is that of the peer's case. */
export interface Case {
  readonly name: string;
  /** What one run computes, for a table. */
  readonly what: string;
  /** Floating-point operations of one run, where a rate says something. */
  readonly flops?: number;
  /** Tokens that one run passes through a model. */
  readonly tokens?: number;
  /** Runs in a process of its own, whose peak memory is recorded. */
  readonly isAlone?: boolean;
  /** At most so many repetitions; it takes long. */
  readonly repetitions?: number;
  /** The matrix product that bounds it, rows, inputs and outputs: the peer's rate of it is recorded. */
  readonly gemm?: readonly [rows: number, inputs: number, outputs: number];
  /** Whether there is one to measure beside. Default: yes. */
  readonly hasPeer?: boolean;
  setUp(): PreparedCase | Promise<PreparedCase>;
}

export interface PreparedCase {
  run(): void | Promise<void>;
  /** Once, in place of two untimed runs. */
  warmUp?(): Promise<void>;
  dispose(): void;
}

const WARM_UP_RUNS = 2;

export interface TurnOptions {
  readonly repetitions: number;
  /** Names of the cases to run; all if empty. */
  readonly only: readonly string[];
  /** Each asks for one repetition. */
  readonly lines: AsyncIterator<string>;
  print(line: string): void;
}

/**
 * Times cases by the protocol of `peers/peer.py`: in order, each repetition after a line of input, and prints
 * `{"name", "ms", "cpuMs", "peakBytes"}` after each. A case is set up, and warmed up untimed, after the first line that asks for it. Ends
 * early at the end of the input.
 */
export async function takeTurns(
  cases: readonly Case[],
  { repetitions, only, lines, print }: TurnOptions,
): Promise<void> {
  for (const { name, setUp } of cases) {
    if (only.length > 0 && !only.includes(name)) continue;
    let prepared: PreparedCase | undefined;
    try {
      for (let i = 0; i < repetitions; i++) {
        if ((await lines.next()).done) return;
        if (!prepared) {
          prepared = await setUp();
          if (prepared.warmUp) await prepared.warmUp();
          else for (let k = 0; k < WARM_UP_RUNS; k++) await prepared.run();
        }
        const cpu = process.cpuUsage();
        const start = performance.now();
        await prepared.run();
        const ms = performance.now() - start;
        const { user, system } = process.cpuUsage(cpu);
        const peakBytes = 1024 * process.resourceUsage().maxRSS; // from kilobytes
        print(JSON.stringify({ name, ms, cpuMs: (user + system) / 1000, peakBytes }));
      }
    } finally {
      prepared?.dispose();
    }
  }
}
