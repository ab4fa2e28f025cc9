import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TrainingMetrics } from "@sdmprune/lora";
import { chromiumPath, withPage } from "@sdmprune/test-utils/browser";
import { afterAll, describe, expect, it } from "vitest";
import { trainingReport } from "./training-report.js";

const metrics = Array.from({ length: 2000 }, (_, i): TrainingMetrics => {
  const step = i + 1;
  return {
    step,
    loss: 2 + 2 / step,
    learningRate: 1e-4 * (1 - i / 2000),
    gradNorm: 0.5,
    tokens: 100 * step,
    tokensPerSecond: 250,
    elapsedMs: 400 * step,
    epoch: step / 1000,
    ...(step % 500 === 0 ? { evalLoss: step === 1500 ? 1.5 : 2 + 100 / step } : {}),
  };
});
const settings = [
  ["model", "<model> & more"],
  ["r", "8"],
] as const;
const page = trainingReport({ title: "Recovery of tiny", settings, metrics, totalSteps: 2500 });

describe("trainingReport", () => {
  it("says how far it came, at what speed, and where the losses began and ended", () => {
    expect(page).toContain(
      "2000 of 2500 steps, 200000 tokens in 13 min 20 s (250 tokens/s). Loss went from 4 to 2.001. " +
        "Held-out loss went from 2.2 (step 500) to 2.05 (step 2000); the lowest is 1.5 at step 1500.",
    );
    expect(page).toContain("&lt;model&gt; &amp; more");
  });

  it("draws long trainings by means, so that the page stays small", () => {
    expect(page.length).toBeLessThan(400_000);
    expect(page).toContain('aria-label="Loss over the steps"');
  });

  it("is a page for a training that has done nothing, and for one whose loss is not finite", () => {
    const none = trainingReport({ title: "t", settings, metrics: [], totalSteps: 9 });
    expect(none).toContain("No step of 9 is done.");
    const failed = [metrics[0]!, { ...metrics[1]!, loss: NaN }];
    expect(trainingReport({ title: "t", settings, metrics: failed, totalSteps: 9 })).toContain(
      "Loss went from 4 to not finite.",
    );
  });
});

describe.skipIf(chromiumPath === undefined)(
  "a training report in a browser (skipped without Chromium: apt-get install chromium)",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "sdmprune-training-report-"));
    const file = join(folder, "report.html");
    writeFileSync(file, page);
    afterAll(() => rmSync(folder, { recursive: true }));

    it("shows four plots without an error in the console or a request, and fits a phone", async () => {
      await withPage(
        file,
        async ({ page: opened, problems, requests }) => {
          const plots = opened.locator("svg[role=img]");
          expect(await plots.count()).toBe(4);
          for (const plot of await plots.all()) expect(await plot.isVisible()).toBe(true);
          const lines = opened.locator('svg[aria-label="Loss over the steps"] g[aria-label="line"] path');
          expect(await lines.count()).toBe(2);
          expect(await opened.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
          expect({ problems, requests }).toEqual({ problems: [], requests: [] });
        },
        { width: 400 },
      );
    });
  },
);
