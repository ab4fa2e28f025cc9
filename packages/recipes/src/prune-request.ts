import type { RatioOf } from "@sdmprune/pruning";
import type { CalibrationRequest } from "./calibration.js";
import type { WorkerCount } from "./plan-workers.js";

/** What a user can say about a pruning run. Everything but the model has a default. */
export interface PruneRequest {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** Folder to write; with `planOnly` the plan's file, which may be left out. */
  readonly output?: string;
  /** A registered method, or a registered importance to prune by in one stage. Default `sdmprune`. */
  readonly method?: string;
  /** Options of the method, such as `alpha`, `tau`, `stages`, `propagate`. */
  readonly methodOptions?: Readonly<Record<string, unknown>>;
  /** The part to remove. Default 0.2. */
  readonly pruningRatio?: number;
  /** What `pruningRatio` is a part of. Default `total`. */
  readonly ratioOf?: RatioOf;
  /** An exact width instead of a ratio; ignores `roundTo`. */
  readonly width?: number;
  /** Widths are multiples of this. Default 64. */
  readonly roundTo?: number;
  /** A registered allocation. Default `uniform`. */
  readonly allocation?: string;
  /**
   * What is done about the neurons that are gone, from a second forward pass of the original model over the calibration
   * text: `ridge` fits the down projection of those that stay to what the whole layer puts out; `bias` adds what the
   * others put out on average, as FLAP does. Default `none`.
   */
  readonly compensate?: Compensation;
  /** Regularisation of `ridge`, as a part of the mean squared activation. Default 0.01. */
  readonly compensateLambda?: number;
  /** Settings filled in where the request is silent. */
  readonly preset?: string;
  readonly calibration?: CalibrationRequest;
  /** A score file to prune from instead of running the model. */
  readonly scores?: string;
  /** A pruning plan to apply instead of scoring. */
  readonly plan?: string;
  /** Makes the plan and writes no checkpoint. */
  readonly planOnly?: boolean;
  /** How unequal widths are written: zero-padded to the widest layer, or as they are. Default `padded`. */
  readonly exportForm?: ExportForm;
  /** Goes on where a run with the same request was interrupted. */
  readonly resume?: boolean;
  /** Replaces an existing output. Only a checkpoint folder is ever replaced. */
  readonly force?: boolean;
  /** A registered backend. Default: the first that can run. */
  readonly backend?: string;
  readonly threads?: number;
  /** Samples computed at the same time, each on an engine of its own. Default `auto`: several for small models. */
  readonly workers?: WorkerCount;
  /** Memory for the whole process, such as `4GiB`, or `auto` for what is free. Default `auto`. */
  readonly memory?: string;
}

export type Compensation = "none" | "ridge" | "bias";

export type ExportForm = "padded" | "heterogeneous";
