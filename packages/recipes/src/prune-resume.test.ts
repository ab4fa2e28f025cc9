import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { definePlugin, type ProgressEvent } from "@sdmprune/core";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeEach, describe, expect, it } from "vitest";
import { filesOf, temporaryFolder, tinyHost, withRun, writeInputIds } from "../test/tiny-run.js";
import { prune, type PruneRequest } from "./index.js";
import { WorkFolder } from "./work-folder.js";

let root: string;
let request: PruneRequest;

beforeEach(async () => {
  root = temporaryFolder();
  const model = join(root, "model");
  await tinyLlama().write(model);
  const source = writeInputIds(join(root, "ids.jsonl"), { rows: 8 });
  request = { model, output: join(root, "out"), width: 12, calibration: { source, nsamples: 8 } };
});

/** Runs a prune that is interrupted at the first event of which `isMoment` is true. */
async function interruptAt(isMoment: (event: ProgressEvent) => boolean, more: Partial<PruneRequest> = {}) {
  const interrupt = new AbortController();
  const run = tinyHost().createRun({
    signal: interrupt.signal,
    progress: (event) => isMoment(event) && interrupt.abort(),
  });
  try {
    await prune(run, { ...request, ...more });
  } finally {
    await run.dispose();
  }
}

const sampleDone =
  (stage: number, done: number) =>
  (event: ProgressEvent): boolean =>
    event.type === "advance" && event.task.startsWith(`stage ${stage}:`) && event.done === done;

async function resume(more: Partial<PruneRequest> = {}) {
  const { messages } = await withRun((run) => prune(run, { ...request, resume: true, ...more }));
  return { messages, files: filesOf(request.output!) };
}

async function uninterrupted(): Promise<Map<string, string>> {
  const output = join(root, "reference");
  await withRun((run) => prune(run, { ...request, output }));
  return filesOf(output);
}

describe("prune, interrupted", () => {
  it.each([
    ["in the first stage", 1, 3, "stage 1: taylor: going on after 3 of 8 samples"],
    ["in the second stage", 2, 5, "stage 2: self-distillation: going on after 5 of 8 samples"],
  ])("%s, goes on at that sample and ends in the same bytes", async (_, stage, done, message) => {
    const expected = await uninterrupted();
    await expect(interruptAt(sampleDone(stage, done))).rejects.toMatchObject({
      name: "InterruptedError",
      exitCode: 130,
      message: "Interrupted. What was scored is kept: --resume goes on from there.",
    });
    expect(readdirSync(root).sort()).toEqual([".out.work", "ids.jsonl", "model", "reference"]);
    const { messages, files } = await resume();
    expect(messages).toContain(message);
    expect(messages.some((text) => text.startsWith("stage 1: taylor"))).toBe(stage === 1);
    expect(files).toEqual(expected);
    expect(readdirSync(root).sort()).toEqual(["ids.jsonl", "model", "out", "reference"]);
  });

  it("while it writes, does not score again", async () => {
    const expected = await uninterrupted();
    await expect(interruptAt(({ type }) => type === "advance", { resume: true })).rejects.toThrow(
      "Interrupted",
    );
    await expect(
      interruptAt((event) => event.type === "start" && event.task === "write checkpoint"),
    ).rejects.toThrow("What was scored is kept");
    const { messages, files } = await resume();
    expect(messages.filter((text) => text.startsWith("stage"))).toEqual([]);
    expect(files).toEqual(expected);
  });

  it("twice, still ends in the same bytes", async () => {
    const expected = await uninterrupted();
    await expect(interruptAt(sampleDone(1, 2))).rejects.toThrow("Interrupted");
    await expect(interruptAt(sampleDone(2, 1), { resume: true })).rejects.toThrow("Interrupted");
    await expect(interruptAt(sampleDone(2, 6), { resume: true })).rejects.toThrow("Interrupted");
    expect((await resume()).files).toEqual(expected);
  });

  it("is not resumed with another request, and says which word differs", async () => {
    await expect(interruptAt(sampleDone(1, 2))).rejects.toThrow("Interrupted");
    await expect(resume({ methodOptions: { alpha: 0.1 } })).rejects.toThrow(
      /^resume: the interrupted run of .*out had another request \("alpha": 0\.4, then, "alpha": 0\.1, now\)\./,
    );
    const { messages } = await withRun((run) => prune(run, request));
    expect(messages).toContain(
      "Starting over; an interrupted run was found, which --resume would have continued.",
    );
  });

  it("leaves no work folder when going on would only fail again", async () => {
    const criterion = definePlugin({
      name: "faulty",
      register: ({ importances }) =>
        importances.register("faulty", () => ({
          needs: { activations: true },
          observe: () => {},
          finish: ({ layer, score }) => score.map((_, n) => (layer === 1 && n === 2 ? NaN : n)),
        })),
    });
    await expect(
      withRun((run) => prune(run, { ...request, method: "faulty" }), { host: tinyHost().use(criterion) }),
    ).rejects.toThrow('importance "faulty": layer 1: neuron 2 got the score NaN.');
    expect(readdirSync(root).sort()).toEqual(["ids.jsonl", "model"]);
  });

  it("says when there is nothing to resume", async () => {
    expect((await resume()).messages).toContain(
      `No interrupted run of ${request.output!} was found; starting anew.`,
    );
  });
});

describe("WorkFolder", () => {
  const call = { importance: "taylor", options: {} };
  const state = (nsamples: number) => ({
    sums: new Map([["taylor", [Float64Array.of(nsamples, 0.1), Float64Array.of(1e-300, -2)]]]),
    nsamples,
    numTokens: 12 * nsamples,
  });
  const open = (request: object, resume = false) =>
    WorkFolder.open(join(root, "out"), request as never, { resume, progress: () => {} });

  it("makes nothing before the first save, and gives back the same bits", async () => {
    const work = await open({ a: 1 });
    expect(existsSync(work.path)).toBe(false);
    await work.saveSweep(1, call, state(3));
    expect(await (await open({ a: 1 }, true)).sweepState(1, call)).toEqual(state(3));
  });

  it("saves again only when the time since the last save makes up for its cost", async () => {
    const work = await open({});
    await work.saveSweep(1, call, state(1));
    await work.saveSweep(1, call, state(2)); // at once: a save costs more than 2 % of no time
    expect((await work.sweepState(1, call))?.nsamples).toBe(1);
    await work.saveSweep(1, call, state(3), { now: true });
    expect((await work.sweepState(1, call))?.nsamples).toBe(3);
  });

  it("passes over what other calls or requests left", async () => {
    const work = await open({ a: 1 });
    await work.saveSweep(1, call, state(1));
    await work.saveStages([{ importance: "taylor", scores: [Float64Array.of(1)] }], [call]);
    const again = await open({ a: 1 }, true);
    expect(again.finishedStage(1, call)?.scores).toEqual([Float64Array.of(1)]);
    expect(again.finishedStage(2, call)).toBeUndefined();
    const other = { importance: "taylor", options: { loss: "ce" } };
    expect(again.finishedStage(1, other)).toBeUndefined();
    expect(await again.sweepState(1, other)).toBeUndefined();
    writeFileSync(
      join(again.path, "request.json"),
      readFileSync(join(again.path, "request.json"), "utf8").replace("1", "2"),
    );
    const changed = await open({ a: 2 }, true);
    expect(changed.finishedStage(1, call)).toBeUndefined();
    expect(await changed.sweepState(1, call)).toBeUndefined();
  });

  it("names a damaged file", async () => {
    const work = await open({});
    await work.saveSweep(1, call, state(1));
    writeFileSync(join(work.path, "sweep-stage1.safetensors"), "damaged");
    await expect(work.sweepState(1, call)).rejects.toThrow("sweep-stage1.safetensors");
  });
});
