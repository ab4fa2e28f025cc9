import { UsageError } from "@sdmprune/core";
import { readScoreFile, type ScoreFile } from "@sdmprune/importance/score-file";
import type { JsonValue } from "@sdmprune/model-io";
import { FileByteSource } from "@sdmprune/model-io/node";
import type { Options } from "./create-criterion.js";
import type { OpenedModel } from "./open-model.js";

/** A score file to prune from instead of running the model. */
export interface ScoreSource {
  readonly file: ScoreFile;
  /** Its name, for errors. */
  readonly name: string;
  /**
   * Waits until it is certain that the scores are this model's, which takes as long as reading its weights.
   *
   * @throws {UsageError} If the file says that it was made from another model.
   */
  verify(): Promise<void>;
}

/**
 * Opens a score file, and begins to look whether it fits the model.
 *
 * @throws {FormatError} If it is none.
 */
export async function openScoreSource(name: string, model: OpenedModel): Promise<ScoreSource> {
  const file = await readScoreFile(await FileByteSource.open(name), name);
  const verified = verifyModel(name, file, model);
  verified.catch(() => undefined); // whoever asks for it is told
  return { file, name, verify: () => verified };
}

async function verifyModel(name: string, file: ScoreFile, model: OpenedModel): Promise<void> {
  const madeFrom = file.manifest["model_sha256"];
  if (typeof madeFrom === "string" && madeFrom !== (await model.checkpoint.hash())) {
    throw new UsageError(
      `${name}: expected scores of ${model.name}, got those of another model (sha256 ${madeFrom.slice(0, 12)}). Score this model first.`,
    );
  }
}

/** How the scores of a stage come about. Two calls that are equal as JSON give the same scores. */
export interface ScoreCall {
  readonly importance: string;
  /** In full, with defaults. */
  readonly options: Options;
}

/**
 * How the scores in the file came about, which must be how the method asks for them. A seed may differ: it is the
 * file's. A file that says nothing is believed.
 *
 * @throws {UsageError} If they were made with other options.
 */
export function recordedCall(source: ScoreSource, number: number, call: ScoreCall): ScoreCall {
  const { importance, options } = call;
  const recorded = recordedOptions(source, number, importance);
  if (!recorded) return call;
  const differing = Object.keys({ ...recorded, ...options }).filter(
    (key) => key !== "seed" && JSON.stringify(recorded[key]) !== JSON.stringify(options[key]),
  );
  if (differing.length === 0) return { importance, options: recorded };
  const list = (values: Options): string =>
    differing.map((key) => `${key} ${JSON.stringify(values[key]) ?? "unset"}`).join(", ");
  throw new UsageError(
    `${source.name}: expected scores of "${importance}" with ${list(options)}, got some with ${list(recorded)}. Leave the options out, or score anew.`,
  );
}

/** The options that scores were made with, as far as the file says so. */
function recordedOptions({ file }: ScoreSource, number: number, importance: string): Options | undefined {
  const { stages, options } = file.manifest;
  const stage = Array.isArray(stages) ? stages[number - 1] : undefined;
  if (isOptions(stage) && stage["importance"] === importance) {
    return isOptions(stage["options"]) ? stage["options"] : undefined;
  }
  return isOptions(options) && isOptions(options[importance]) ? options[importance] : undefined;
}

/** The options of a method that its score file, or the scores of its criterion, were made with. */
export function methodOptionsOf({ file }: ScoreSource, method: string, importance: string): Options {
  const { method: madeBy, method_options: own, options } = file.manifest;
  if (madeBy === method) return isOptions(own) ? own : {};
  return isOptions(options) && isOptions(options[importance]) ? options[importance] : {};
}

/** What the manifest of a run says of the scores' origin, whether they were computed or read. */
export interface ScoreOrigin {
  /** Undefined where no scores were made. */
  readonly seed: number | undefined;
  readonly calibration: JsonValue | undefined;
  readonly backend: string | undefined;
}

/**
 * The origin that a score file records.
 *
 * @param usesData - Whether the method looks at data at all; the file may hold scores of others that do.
 */
export function originOf({ file: { manifest } }: ScoreSource, seed: number, usesData: boolean): ScoreOrigin {
  const { seed: recorded, calibration, backend } = manifest;
  return {
    seed: typeof recorded === "number" ? recorded : seed,
    calibration: usesData ? calibration : undefined,
    backend: typeof backend === "string" ? backend : undefined,
  };
}

function isOptions(value: unknown): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
