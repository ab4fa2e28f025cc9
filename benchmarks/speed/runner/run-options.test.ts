import { describe, expect, it } from "vitest";
import { RESULTS_FOLDER } from "../report/speed-page.js";
import { parseRunOptions } from "./run-options.js";

const NAMES = ["gemm/2x2x2", "block-forward/small", "block-backward/small"];

describe("parseRunOptions", () => {
  it("runs everything five times and keeps the results by default", () => {
    const options = parseRunOptions([], NAMES);
    expect(options.repetitions).toBe(5);
    expect(options.names).toEqual(NAMES);
    expect(options.output).toBe(RESULTS_FOLDER);
  });

  it("takes a case by its name or by the part before the slash, in the order of the programs", () => {
    const { names } = parseRunOptions(["--only", "block-backward/small", "--only", "gemm"], NAMES);
    expect(names).toEqual(["gemm/2x2x2", "block-backward/small"]);
  });

  it("keeps the results of some cases only where it is told to: they would take the place of a whole run", () => {
    expect(parseRunOptions(["--only", "gemm"], NAMES).output).toBeUndefined();
    expect(parseRunOptions(["--only", "gemm", "-o", "here"], NAMES).output).toBe("here");
  });

  it("records the command without the paths of this machine", () => {
    const args = ["--threads", "2", "--only", "gemm", "--python", "/home/me/python", "-o", "/home/me/out"];
    expect(parseRunOptions(args, NAMES).command).toBe(
      "npm run bench:speed -- --repetitions 5 --threads 2 --only gemm",
    );
  });

  it("refuses what fits no case, counts below 1, and unknown options", () => {
    expect(() => parseRunOptions(["--only", "block"], NAMES)).toThrow(
      `--only: expected a case or the part before its slash, got "block". Cases: ${NAMES.join(", ")}.`,
    );
    expect(() => parseRunOptions(["--repetitions", "0"], NAMES)).toThrow(
      '--repetitions: expected a positive integer, got "0".',
    );
    expect(() => parseRunOptions(["--thread", "2"], NAMES)).toThrow(
      /^bench:speed: Unknown option '--thread'/,
    );
  });
});
