import { join } from "node:path";
import { errorMessage, type ProgressListener } from "@sdmprune/core";
import type { TrainingMetrics } from "@sdmprune/lora";
import { writeFileAtomic } from "@sdmprune/model-io/node";

/** The page in a training's folder that shows how it went. */
export const TRAINING_REPORT_FILE = "report.html";

export interface WriteTrainingReportRequest {
  readonly model: string;
  /** What was asked for; nested settings become rows like `lora.r`. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly metrics: readonly TrainingMetrics[];
  readonly totalSteps: number;
  /** Told if the page cannot be written: that must not fail a training that is done. */
  readonly progress: ProgressListener;
}

/** Writes {@link TRAINING_REPORT_FILE} into `folder`, whole or not at all. The plots are loaded only now. */
export async function writeTrainingReport(
  folder: string,
  { model, settings, metrics, totalSteps, progress }: WriteTrainingReportRequest,
): Promise<void> {
  try {
    const { trainingReport } = await import("./training-report.js");
    const rows = [["model", model] as const, ...settingRows(settings)];
    const page = trainingReport({ title: `Training of ${model}`, settings: rows, metrics, totalSteps });
    await writeFileAtomic(join(folder, TRAINING_REPORT_FILE), page);
  } catch (error) {
    const message = `${join(folder, TRAINING_REPORT_FILE)}: could not be written: ${errorMessage(error)}.`;
    progress({ type: "warning", message });
  }
}

function settingRows(settings: Readonly<Record<string, unknown>>, prefix = ""): [string, string][] {
  return Object.entries(settings).flatMap(([key, value]): [string, string][] => {
    if (value === undefined || value === null || (prefix === "" && key === "model")) return [];
    if (Array.isArray(value)) return [[prefix + key, value.join(", ")]];
    if (typeof value === "object") return settingRows(value as Record<string, unknown>, `${prefix}${key}.`);
    return [[prefix + key, typeof value === "string" ? value : JSON.stringify(value)]];
  });
}
