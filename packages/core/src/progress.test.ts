import { expect, it } from "vitest";
import { silentProgress, startTask, type ProgressEvent } from "./progress.js";

it("tells a listener that a task started, advanced and ended", () => {
  const events: ProgressEvent[] = [];
  const task = startTask((event) => events.push(event), "scoring", { total: 3, unit: "samples" });
  task.advance(2);
  task.end();
  expect(events).toEqual([
    { type: "start", task: "scoring", total: 3, unit: "samples" },
    { type: "advance", task: "scoring", done: 2, total: 3, unit: "samples" },
    { type: "end", task: "scoring" },
  ]);
});

it("knows tasks of unknown length, and a listener that does not care", () => {
  const events: ProgressEvent[] = [];
  startTask((event) => events.push(event), "reading").advance(5);
  expect(events.map((event) => ("total" in event ? event.total : "none"))).toEqual([undefined, undefined]);
  expect(() => startTask(silentProgress, "x").end()).not.toThrow();
});
