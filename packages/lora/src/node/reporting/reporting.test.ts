import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { ProgressEvent } from "@sdmprune/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrainingMetrics } from "../../training-metrics.js";
import { crc32c } from "./crc32c.js";
import { eventRecord, FILE_VERSION } from "./event-record.js";
import { METRICS_FILE, openMetricsLog, readMetrics } from "./metrics-log.js";
import { tensorBoardListener } from "./tensorboard-listener.js";

const { records } = JSON.parse(
  await readFile(
    join(import.meta.dirname, "../../../test/fixtures/tensorboard-events.json"), // tools/reference/tensorboard_events.py
    "utf8",
  ),
) as { records: Record<string, string> };

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "sdmprune-reporting-"));
});
afterAll(() => rm(root, { recursive: true }));
const newFolder = (): Promise<string> => mkdtemp(join(root, "training-"));

const metricsOf = (step: number, more: Partial<TrainingMetrics> = {}): TrainingMetrics => ({
  step,
  loss: 3 / step,
  learningRate: 1e-4,
  gradNorm: 0.5,
  tokens: 100 * step,
  tokensPerSecond: 250,
  elapsedMs: 400 * step,
  epoch: step / 10,
  ...more,
});

describe("event records", () => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

  it("has the checksums of RFC 3720", () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  it("are those of TensorBoard's own writer, byte for byte", () => {
    expect(hex(eventRecord({ wallTime: 1764000000.25, fileVersion: FILE_VERSION }))).toBe(
      records["fileVersion"],
    );
    expect(hex(eventRecord({ wallTime: 1764000001.5, step: 300, isSessionStart: true }))).toBe(
      records["sessionStart"],
    );
    const scalars = { "train/loss": 2.5, "eval/loss": 1e-3 };
    expect(hex(eventRecord({ wallTime: 1764000002, step: 2 ** 40, scalars }))).toBe(records["scalars"]);
    expect(hex(eventRecord({ wallTime: 1764000003, step: 1, scalars: { "train/loss": NaN } }))).toBe(
      records["nonFinite"],
    );
  });

  it("hold an infinity for what float32 cannot hold", () => {
    const wallTime = 0;
    expect(eventRecord({ wallTime, scalars: { a: 1e300 } })).toEqual(
      eventRecord({ wallTime, scalars: { a: Infinity } }),
    );
  });
});

/** Steps in an event file, and -s for the start of a session at step s. */
async function stepsOf(path: string): Promise<number[]> {
  const bytes = await readFile(path);
  const steps: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    const reader = new BinaryReader(bytes.subarray(at + 12, at + 12 + length));
    let step: number | undefined;
    let isStart = false;
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 2) step = Number(reader.int64());
      else {
        isStart ||= field === 7;
        reader.skip(type);
      }
    }
    if (step !== undefined) steps.push(isStart ? -step : step);
    at += 16 + length;
  }
  return steps;
}

describe("tensorBoardListener", () => {
  it("writes a file per run, each saying which steps it does again, in the order of their names", async () => {
    const folder = await newFolder();
    const now = () => 1_764_000_000_000; // all runs within a second
    for (const [history, steps] of [
      [[], [1, 2, 3]],
      [
        [1, 2],
        [3, 4],
      ],
    ] as const) {
      const listener = tensorBoardListener({ now });
      await listener.start?.({ totalSteps: 4, history: history.map((step) => metricsOf(step)), folder });
      for (const step of steps) await listener.step?.(metricsOf(step, step === 4 ? { evalLoss: 1.5 } : {}));
      await listener.end?.();
    }
    const names = (await readdir(join(folder, "runs"))).sort();
    expect(names.map((name) => name.split(".").slice(0, 5).join("."))).toEqual([
      "events.out.tfevents.1764000000.sdmprune",
      "events.out.tfevents.1764000001.sdmprune",
    ]);
    expect(await Promise.all(names.map((name) => stepsOf(join(folder, "runs", name))))).toEqual([
      [-1, 1, 2, 3],
      [-3, 3, 4],
    ]);
  });

  it("warns once and lets training go on if it cannot write", async () => {
    const folder = await newFolder();
    await writeFile(join(folder, "runs"), "a file where the folder should be");
    const events: ProgressEvent[] = [];
    const listener = tensorBoardListener({ progress: (event) => void events.push(event) });
    await listener.start?.({ totalSteps: 1, history: [], folder });
    await listener.step?.(metricsOf(1));
    await listener.end?.();
    expect(events).toEqual([
      {
        type: "warning",
        message: expect.stringMatching(
          /^TensorBoard events: could not be written: EEXIST.*\. Training goes on without; metrics\.jsonl has all steps\.$/,
        ) as string,
      },
    ]);
  });
});

describe("metrics.jsonl", () => {
  it("keeps the steps up to the one resumed from, and drops later ones and a line that was cut", async () => {
    const folder = await newFolder();
    const log = await openMetricsLog(folder, { lastStep: 0 });
    expect(log.history).toEqual([]);
    for (const step of [1, 2, 3]) await log.append(metricsOf(step));
    await log.close();
    await appendFile(join(folder, METRICS_FILE), '{"step":4,"lo');
    expect(await readMetrics(join(folder, METRICS_FILE))).toEqual([1, 2, 3].map((step) => metricsOf(step)));

    const resumed = await openMetricsLog(folder, { lastStep: 2 });
    expect(resumed.history).toEqual([metricsOf(1), metricsOf(2)]);
    await resumed.append(metricsOf(3, { evalLoss: 2 }));
    await resumed.close();
    expect(await readFile(join(folder, METRICS_FILE), "utf8")).toBe(
      [metricsOf(1), metricsOf(2), metricsOf(3, { evalLoss: 2 })]
        .map((each) => `${JSON.stringify(each)}\n`)
        .join(""),
    );
  });

  it("reads a loss that was not finite as NaN", async () => {
    const folder = await newFolder();
    const log = await openMetricsLog(folder, { lastStep: 0 });
    await log.append(metricsOf(1, { loss: NaN }));
    await log.close();
    expect(await readMetrics(join(folder, METRICS_FILE))).toEqual([metricsOf(1, { loss: NaN })]);
  });

  it.each([
    ["oops\n", 'metrics.jsonl: line 1: expected the metrics of a step as JSON, got "oops".'],
    ['{"step":1}\n', 'metrics.jsonl: line 1: expected a number "loss", got undefined.'],
    [`${JSON.stringify(metricsOf(2))}\n`, "metrics.jsonl: line 1: expected step 1, got 2."],
  ])("refuses %j", async (text, message) => {
    const folder = await newFolder();
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, METRICS_FILE), text);
    await expect(readMetrics(join(folder, METRICS_FILE))).rejects.toThrow(message);
  });

  it("refuses to go on from a step that it lacks", async () => {
    const folder = await newFolder();
    await expect(openMetricsLog(folder, { lastStep: 5 })).rejects.toThrow(
      /metrics\.jsonl: expected a line for each of the 5 steps done, got 0\./,
    );
  });
});
