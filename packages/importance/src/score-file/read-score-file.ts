import { FormatError } from "@sdmprune/core";
import {
  openSafetensors,
  parseJsonObject,
  type ByteSource,
  type JsonObject,
  type SafetensorsFile,
} from "@sdmprune/model-io";
import { KEPT, MANIFEST_KEY, type LayerScores, type ScoreFile, type StageScores } from "./score-file.js";
import { SHARD_KEY } from "./score-shard.js";

/** Tensor names of a series of layers, by layer. */
type Series = Map<number, string>;

/**
 * Reads a score file.
 *
 * @param where - File name for errors.
 * @throws {FormatError} If it is no score file, a layer is missing, or a score is not finite.
 */
export async function readScoreFile(source: ByteSource, where: string): Promise<ScoreFile> {
  const file = await openSafetensors(source, where);
  if (file.metadata[SHARD_KEY] !== undefined) {
    throw new FormatError(
      `${where}: expected a whole score file, got a shard of one. Merge all of them with merge-scores.`,
    );
  }
  const { plain, staged } = groupByName(file);
  const importances = new Map<string, LayerScores>();
  for (const [name, layers] of plain) importances.set(name, await readLayers(file, name, layers, readScore));
  const stages: StageScores[] = [];
  for (let number = 1; number <= staged.size; number++) {
    stages.push(await readStage(file, number, staged.get(number)));
  }
  return { importances, stages, manifest: readManifest(file) };
}

/** The tensors of a file, sorted into criteria on the model as it is, and stages with their criterion. */
function groupByName(file: SafetensorsFile): {
  plain: Map<string, Series>;
  staged: Map<number, Map<string, Series>>;
} {
  const plain = new Map<string, Series>();
  const staged = new Map<number, Map<string, Series>>();
  for (const name of file.names) {
    const match = /^(?:stage([1-9]\d*)\/)?([^/]+)\/layers\.(0|[1-9]\d*)$/.exec(name);
    if (!match) {
      throw new FormatError(
        `${file.name}: expected tensors named "<importance>/layers.<i>", got "${name}". Is it a score file?`,
      );
    }
    const [, stage, importance, layer] = match;
    const group = stage === undefined ? plain : entryOf(staged, Number(stage), newMap<string, Series>);
    entryOf(group, importance!, newMap<number, string>).set(Number(layer), name);
  }
  if (file.names.length === 0) {
    throw new FormatError(`${file.name}: expected scores, got a file without tensors.`);
  }
  return { plain, staged };
}

const newMap = <K, V>(): Map<K, V> => new Map();

function entryOf<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const value = map.get(key) ?? create();
  map.set(key, value);
  return value;
}

async function readStage(
  file: SafetensorsFile,
  number: number,
  series: ReadonlyMap<string, Series> = new Map(),
): Promise<StageScores> {
  const key = `stage${number}`;
  const names = [...series.keys()].filter((name) => name !== KEPT);
  const [importance] = names;
  if (importance === undefined || names.length > 1) {
    throw new FormatError(
      `${file.name}: expected ${key} to hold the scores of one importance, got ${names.join(", ") || "none"}.`,
    );
  }
  const scores = await readLayers(file, `${key}/${importance}`, series.get(importance)!, readScore);
  const keptSeries = series.get(KEPT);
  if (!keptSeries) {
    if (number === 1) return { importance, scores };
    throw new FormatError(
      `${file.name}: expected "${key}/${KEPT}/layers.<i>", the neurons that ${key} scored, got none.`,
    );
  }
  const kept = await readLayers(file, `${key}/${KEPT}`, keptSeries, readKept);
  const [scored, listed] = [scores, kept].map((layers) => layers.map(({ length }) => length).join(", "));
  if (scored !== listed) {
    throw new FormatError(
      `${file.name}: "${key}/${KEPT}" must list as many neurons as ${key} has scores, [${scored}], got [${listed}].`,
    );
  }
  return { importance, scores, kept };
}

/** Reads a vector for every layer, of which none may be missing. */
async function readLayers<T>(
  file: SafetensorsFile,
  series: string,
  layers: Series,
  read: (file: SafetensorsFile, name: string) => Promise<T>,
): Promise<T[]> {
  const vectors: T[] = [];
  for (let layer = 0; layer < layers.size; layer++) {
    const name = layers.get(layer);
    if (name === undefined) {
      throw new FormatError(`${file.name}: "${series}" has ${layers.size} layers, but no layers.${layer}.`);
    }
    vectors.push(await read(file, name));
  }
  return vectors;
}

async function readScore(file: SafetensorsFile, name: string): Promise<Float64Array> {
  const score = new Float64Array(await readVector(file, name, "F64"));
  const bad = score.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1) {
    throw new FormatError(
      `${file.name}: "${name}" holds ${score[bad]} at neuron ${bad}; scores must be finite.`,
    );
  }
  return score;
}

async function readKept(file: SafetensorsFile, name: string): Promise<Int32Array> {
  const indices = new BigInt64Array(await readVector(file, name, "I64"));
  if (indices.some((n, i) => n < 0n || n > 0x7fffffffn || (i > 0 && n <= indices[i - 1]!))) {
    throw new FormatError(`${file.name}: "${name}" must hold rising neuron indices.`);
  }
  return Int32Array.from(indices, Number);
}

/** A copy of a vector's bytes, so that they are aligned. */
async function readVector(
  file: SafetensorsFile,
  name: string,
  expected: "F64" | "I64",
): Promise<ArrayBuffer> {
  const { dtype, shape } = file.tensor(name);
  if (dtype !== expected || shape.length !== 1) {
    throw new FormatError(
      `${file.name}: "${name}" must be an ${expected} vector, got ${dtype} of shape [${shape.join(", ")}].`,
    );
  }
  return new Uint8Array(await file.read(name)).buffer;
}

function readManifest(file: SafetensorsFile): JsonObject {
  const text = file.metadata[MANIFEST_KEY];
  return text === undefined ? {} : parseJsonObject(text, `${file.name}: its manifest "${MANIFEST_KEY}"`);
}
