import type { ProgressEvent } from "@sdmprune/core";
import { expect, it } from "vitest";
import { profileSteps } from "./step-profile.js";

it("says after each task how much of its time was spent in kernels, and passes every event on", () => {
  let [ms, kernelMs] = [1000, 200];
  const lines: string[] = [];
  const seen: ProgressEvent[] = [];
  const listener = profileSteps(
    (event) => seen.push(event),
    { now: () => ms, kernelMs: () => kernelMs },
    (line) => lines.push(line),
  );
  listener({ type: "start", task: "score" });
  [ms, kernelMs] = [3000, 2100];
  listener({ type: "advance", task: "score", done: 1 });
  expect(lines).toEqual([]);
  listener({ type: "end", task: "score" });
  expect(lines).toEqual(["profile: score: 2.00 s, in kernels 1.90 s (95.0 %)"]);
  expect(seen.map(({ type }) => type)).toEqual(["start", "advance", "end"]);
});

it("counts nothing where there is no engine", () => {
  const lines: string[] = [];
  const clocks = { now: () => 0, kernelMs: () => undefined };
  const listener = profileSteps(
    () => undefined,
    clocks,
    (line) => lines.push(line),
  );
  listener({ type: "start", task: "write" });
  listener({ type: "end", task: "write" });
  expect(lines).toEqual(["profile: write: 0.00 s, in kernels 0.00 s (0.0 %)"]);
});
