import { expect, it } from "vitest";
import { createProgressView } from "./progress-view.js";

function watch(isTTY: boolean): {
  text: () => string;
  view: ReturnType<typeof createProgressView>;
  at: (ms: number) => void;
} {
  let [text, clock] = ["", 0];
  const output = { isTTY, write: (piece: string) => void (text += piece) };
  return {
    text: () => text,
    view: createProgressView(output, { now: () => clock }),
    at: (ms) => (clock = ms),
  };
}

const advance = (done: number) =>
  ({ type: "advance", task: "score", done, total: 100, unit: "samples" }) as const;

it("prints a line every five seconds, with rate and time left, where there is no terminal", () => {
  const { text, view, at } = watch(false);
  view({ type: "start", task: "score", total: 100, unit: "samples" });
  for (const second of [1, 2, 3, 4, 5, 6]) {
    at(1000 * second);
    view(advance(10 * second));
  }
  at(10_000);
  view(advance(100));
  view({ type: "end", task: "score" });
  expect(text()).toBe(
    "score: 100 samples\nscore: 50/100 samples, 8.20 samples/s, 7 s left\nscore: 100/100 samples, 9.10 samples/s\n",
  );
});

it("draws over one line on a terminal, and puts messages between", () => {
  const { text, view, at } = watch(true);
  view({ type: "start", task: "score", total: 100, unit: "samples" });
  at(1000);
  view(advance(1));
  view({ type: "warning", message: "slow" });
  view({ type: "end", task: "score" });
  expect(text()).toBe(
    "\r\u001b[Kscore: 100 samples\r\u001b[Kscore: 1/100 samples, 1.00 samples/s, 1 min 39 s left\r\u001b[Kwarning: slow\n",
  );
});

it("does not count the samples of an interrupted run in the rate", () => {
  const { text, view, at } = watch(false);
  view({ type: "start", task: "score", total: 100, unit: "samples" });
  view(advance(80));
  at(10_000);
  view(advance(90));
  expect(text()).toContain("90/100 samples, 1.10 samples/s, 10 s left");
});

it("shows the figures to watch, and on a terminal a curve of the first where there is room", () => {
  const figures = (loss: number) => ({ loss, "tokens/s": 1234.5 });
  for (const isTTY of [true, false]) {
    const { text, view, at } = watch(isTTY);
    view({ type: "start", task: "train", total: 2, unit: "steps" });
    at(1000);
    view({ type: "advance", task: "train", done: 1, total: 2, unit: "steps", figures: figures(2.5) });
    at(7000);
    view({ type: "advance", task: "train", done: 2, total: 2, unit: "steps", figures: figures(2.25) });
    expect(text()).toContain(
      `train: 2/2 steps, 0.286 steps/s, loss 2.250, tokens/s 1235${isTTY ? "  █▁" : "\n"}`,
    );
  }
});
