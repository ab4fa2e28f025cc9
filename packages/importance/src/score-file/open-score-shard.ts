import { FormatError } from "@sdmprune/core";
import {
  isJsonObject,
  openSafetensors,
  parseJsonObject,
  type ByteSource,
  type JsonObject,
  type SafetensorsFile,
} from "@sdmprune/model-io";
import { SHARD_KEY, type ShardInfo } from "./score-shard.js";

/** An open shard file, whose increments are read when asked for. */
export interface ScoreShardFile {
  /** Its name, for errors. */
  readonly name: string;
  readonly info: ShardInfo;
  /** Neurons of every layer by criterion. */
  readonly widths: ReadonlyMap<string, readonly number[]>;
  /**
   * The increments of one layer, one after another in the order of the windows; `[increments * F]`.
   *
   * @throws {FormatError} If one is not finite.
   */
  increments(importance: string, layer: number): Promise<Float32Array>;
}

/**
 * Opens a shard that `score --shard` wrote.
 *
 * @param name - File name for errors.
 * @throws {FormatError} If it is none, or is malformed.
 */
export async function openScoreShard(source: ByteSource, name: string): Promise<ScoreShardFile> {
  const file = await openSafetensors(source, name);
  const text = file.metadata[SHARD_KEY];
  if (text === undefined) {
    throw new FormatError(
      `${name}: expected a shard that "score --shard" wrote, got a file without "${SHARD_KEY}" in its metadata.`,
    );
  }
  return {
    name,
    info: readInfo(parseJsonObject(text, `${name}: "${SHARD_KEY}"`), name),
    widths: readWidths(file),
    async increments(importance, layer) {
      const tensor = `${importance}/increments.${layer}`;
      const values = await file.readFloat32(tensor);
      const bad = values.findIndex((value) => !Number.isFinite(value));
      if (bad === -1) return values;
      throw new FormatError(`${name}: "${tensor}" holds ${values[bad]}; increments must be finite.`);
    },
  };
}

function readInfo(json: JsonObject, name: string): ShardInfo {
  const { shard, nsamples, num_tokens: numTokens, manifest } = json;
  const { index, count } = isJsonObject(shard) ? shard : {};
  const isValid =
    isCount(index) && isCount(count) && index <= count && isCount(nsamples) && isCount(numTokens);
  if (!isValid || !isJsonObject(manifest)) {
    throw new FormatError(
      `${name}: "${SHARD_KEY}" must say which shard it is, of how many windows and tokens, and hold the manifest; got ${JSON.stringify({ shard, nsamples, num_tokens: numTokens })}.`,
    );
  }
  return { index, count, nsamples, numTokens, manifest };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function readWidths(file: SafetensorsFile): Map<string, readonly number[]> {
  const widths = new Map<string, number[]>();
  for (const tensor of file.names) {
    const [, importance, layer] = /^([^/]+)\/increments\.(0|[1-9]\d{0,8})$/.exec(tensor) ?? [];
    const { dtype, shape } = file.tensor(tensor);
    if (importance === undefined || dtype !== "F32" || shape.length !== 2) {
      throw new FormatError(
        `${file.name}: expected F32 matrices named "<importance>/increments.<i>", got "${tensor}", ${dtype} of shape [${shape.join(", ")}].`,
      );
    }
    const layers = widths.get(importance) ?? [];
    widths.set(importance, layers);
    layers[Number(layer)] = shape[1]!;
  }
  for (const [importance, layers] of widths) {
    const missing = Array.from(layers, (width) => width === undefined).indexOf(true);
    if (missing !== -1) {
      throw new FormatError(`${file.name}: expected "${importance}/increments.${missing}", got none.`);
    }
  }
  return widths;
}
