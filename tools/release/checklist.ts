/** Counts checks and prints a line for each. */
export interface Checklist {
  readonly numPassed: number;
  readonly numFailed: number;
  /** Records one check. `problem` says what is wrong; undefined or "" if nothing is. */
  record(what: string, problem: string | undefined): void;
}

export function createChecklist(print: (line: string) => void): Checklist {
  let [numPassed, numFailed] = [0, 0];
  return {
    get numPassed() {
      return numPassed;
    },
    get numFailed() {
      return numFailed;
    },
    record(what, problem) {
      if (problem) {
        numFailed++;
        print(`  FAILED ${what}\n${problem.trim().replace(/^/gm, "    ")}`);
      } else {
        numPassed++;
        print(`  ok     ${what}`);
      }
    },
  };
}
