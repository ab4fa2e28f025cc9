/** A thing to time. Its name is that of the peer's case. */
export interface Case {
  readonly name: string;
  /** What one run computes, for a table. */
  readonly what: string;
  /** Floating-point operations of one run, where a rate says something. */
  readonly flops?: number;
  setUp(): PreparedCase | Promise<PreparedCase>;
}

export interface PreparedCase {
  run(): void | Promise<void>;
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
 * `{"name", "ms"}` after each. A case is set up, and run twice untimed, after the first line that asks for it. Ends
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
          for (let k = 0; k < WARM_UP_RUNS; k++) await prepared.run();
        }
        const start = performance.now();
        await prepared.run();
        print(JSON.stringify({ name, ms: performance.now() - start }));
      }
    } finally {
      prepared?.dispose();
    }
  }
}
