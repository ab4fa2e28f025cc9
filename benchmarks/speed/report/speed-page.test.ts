import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digits, renderSpeedPage } from "./speed-page.js";
import { FORMAT, newestSpeedResults, type SpeedResults, writeSpeedResults } from "./speed-results.js";

const RESULTS: SpeedResults = {
  format: FORMAT,
  date: "2026-11-23T12:00:00.000Z",
  commit: { hash: "0123456789abcdef", isModified: false },
  command: "npm run bench:speed -- --repetitions 3 --threads 2",
  threads: 2,
  repetitions: 3,
  machine: {
    cpu: "A CPU",
    cores: 2,
    memoryGiB: 24,
    system: "linux x64",
    loadBefore: 0.1,
    node: "20.20.2",
    onnxruntime: "1.30.0",
    python: "3.13.0",
    torch: "2.15.0",
  },
  cases: [
    {
      name: "gemm/1000x1000x1000",
      what: "a product",
      flops: 2e9,
      ours: { medianMs: 10, ms: [11, 10, 9.876] },
      pytorch: { medianMs: 12.5, ms: [12.5, 12, 140] },
      ratio: 1.25,
    },
    { name: "mlp-score/small", what: "an MLP", ours: { medianMs: 1234.5, ms: [1234.5] } },
  ],
};

describe("renderSpeedPage", () => {
  const page = renderSpeedPage("a.json", RESULTS);

  it("gives medians with the range, and the ratio", () => {
    expect(page).toContain(
      "| `gemm/1000x1000x1000` | a product | 10.0 (9.88–11.0) | 12.5 (12.0–140) | 1.25 |",
    );
  });

  it("gives rates where operations are counted", () => {
    expect(page).toContain("| `gemm/1000x1000x1000` | 200 | 160 |"); // 2e9 / 0.010 s, 2e9 / 0.0125 s
    expect(page).not.toContain("| `mlp-score/small` | 0");
  });

  it("tells of MKL where the processor is one on which it is slow, and there was a PyTorch", () => {
    const onAmd = { ...RESULTS, machine: { ...RESULTS.machine, cpu: "AMD EPYC" } };
    expect(page).not.toContain("Intel MKL");
    expect(renderSpeedPage("a.json", onAmd)).toContain("Intel MKL");
    expect(renderSpeedPage("a.json", { ...onAmd, cases: RESULTS.cases.slice(1) })).not.toContain("Intel MKL");
  });

  it("leaves the peer's cells empty where the peer was not measured", () => {
    expect(page).toContain("| `mlp-score/small` | an MLP | 1235 (1235–1235) |  |  |");
  });

  it("names machine, versions, commit and command", () => {
    expect(page).toContain("A CPU, 2 cores, 24 GiB, linux x64; load in the minute before: 0.1");
    expect(page).toContain("Node 20.20.2, onnxruntime-node 1.30.0; Python 3.13.0, PyTorch 2.15.0");
    expect(page).toContain("Commit 0123456789ab, 2026-11-23");
    expect(page).toContain("`npm run bench:speed -- --repetitions 3 --threads 2`");
  });

  it("says when the code was not what is committed", () => {
    const commit = { ...RESULTS.commit, isModified: true };
    expect(renderSpeedPage("a.json", { ...RESULTS, commit })).toContain(
      "0123456789ab with uncommitted changes",
    );
  });

  it("has no column for PyTorch where there was none", () => {
    const alone = renderSpeedPage("a.json", { ...RESULTS, cases: RESULTS.cases.slice(1) });
    expect(alone).toContain("| case | what is computed | ours, ms |\n");
    expect(alone).not.toMatch(/ratio|GFLOP/);
  });
});

it("shows three significant digits, or the whole milliseconds", () => {
  expect([0.12345, 9.999, 99.94, 1234.4].map(digits)).toEqual(["0.123", "10.0", "99.9", "1234"]);
});

describe("speed results", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "speed-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("are none in a folder that is not there", async () => {
    expect(await newestSpeedResults(join(folder, "absent"))).toBeUndefined();
  });

  it("are read back, the newest by date", async () => {
    const older = {
      ...RESULTS,
      date: "2026-01-05T00:00:00.000Z",
      commit: { hash: "fffffff", isModified: false },
    };
    await writeSpeedResults(folder, RESULTS);
    await writeSpeedResults(folder, older);
    expect(await newestSpeedResults(folder)).toEqual({ file: "2026-11-23-0123456.json", results: RESULTS });
  });

  it("refuse a file of another format", async () => {
    await writeFile(join(folder, "other.json"), '{"format": "other"}');
    await expect(newestSpeedResults(folder)).rejects.toThrow(
      `other.json: expected format "${FORMAT}", got "other".`,
    );
  });
});
