import { FormatError } from "@sdmprune/core";
import type { ExpectedTensor } from "./model-family.js";
import type { WeightSource } from "./weight-source.js";

/** Number of problems that an error lists before it only counts. */
const MAX_LISTED = 3;

/** Types that weights may be stored in. */
const FLOAT_DTYPES = new Set(["F64", "F32", "F16", "BF16"]);

/**
 * Checks that a checkpoint holds every expected tensor, in the right shape and in a floating-point type.
 * Further tensors are no problem here.
 *
 * @throws {FormatError} If a tensor is missing or differs; the message lists the first problems.
 */
export function checkTensors(source: WeightSource, expected: readonly ExpectedTensor[]): void {
  const names = new Set(source.tensorNames());
  const problems: string[] = [];
  for (const { name, shape } of expected) {
    if (!names.has(name)) {
      problems.push(`"${name}" is missing`);
      continue;
    }
    const info = source.info(name);
    if (info.shape.length !== shape.length || shape.some((dim, i) => dim !== info.shape[i])) {
      problems.push(`"${name}" must have shape [${shape.join(", ")}], got [${info.shape.join(", ")}]`);
    } else if (!FLOAT_DTYPES.has(info.dtype)) {
      problems.push(`"${name}" must be one of ${[...FLOAT_DTYPES].join(", ")}, got ${info.dtype}`);
    }
  }
  if (problems.length === 0) return;
  const more = problems.length > MAX_LISTED ? `; and ${problems.length - MAX_LISTED} more` : "";
  throw new FormatError(
    `Checkpoint: its tensors do not fit config.json: ${problems.slice(0, MAX_LISTED).join("; ")}${more}. Is it the config of this checkpoint?`,
  );
}
