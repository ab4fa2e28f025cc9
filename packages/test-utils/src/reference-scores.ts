import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { silentProgress } from "@sdmprune/core";
import { calibrationSweep, type ImportanceCriterion } from "@sdmprune/importance";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { llamaFamily } from "@sdmprune/models";
import { selectNeurons } from "@sdmprune/pruning";
import { beforeAll, describe, expect, it } from "vitest";

/** What tools/reference/method_scores.py writes; the file names its versions and seed. */
interface ReferenceScores {
  readonly model: string;
  readonly width: number;
  readonly sequences: readonly (readonly number[])[];
  /** By variant of the criterion, then by layer. */
  readonly scores: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly kept: Readonly<Record<string, readonly (readonly number[])[]>>;
}

export interface ReferenceScoresOptions {
  /** The fixture. */
  readonly file: URL;
  /** The criteria of the fixture by its names for them: all of them, scored in one sweep. */
  readonly criteria: Readonly<Record<string, () => ImportanceCriterion>>;
  /** Makes an engine active. */
  readonly activate: () => Promise<void>;
}

/** Tests that criteria give the scores that PyTorch computed in float64, and keep the same neurons. */
export function describeReferenceScores({ file, criteria, activate }: ReferenceScoresOptions): void {
  const fixture = JSON.parse(readFileSync(file, "utf8")) as ReferenceScores;
  describe(`on ${fixture.model}`, () => {
    let scores: ReadonlyMap<string, readonly Float64Array[]>;
    beforeAll(async () => {
      await activate();
      scores = await sweep(fixture, criteria);
    });

    it("there is a criterion for every reference", () => {
      expect(Object.keys(criteria).sort()).toEqual(Object.keys(fixture.scores).sort());
    });

    it.each(Object.keys(criteria))("%s scores are PyTorch's, and so are the neurons kept", (name) => {
      const found = scores.get(name)!;
      for (const [layer, expected] of fixture.scores[name]!.entries()) {
        const scale = Math.max(...expected.map(Math.abs)) * 1e-4;
        expected.forEach((value, n) => {
          // Standardised scores pass through zero: there the size of the layer's scores is the measure.
          const tolerance = name === "standardized" ? scale : 1e-4 * Math.abs(value);
          expect(Math.abs(found[layer]![n]! - value)).toBeLessThanOrEqual(tolerance);
        });
        expect([...selectNeurons(found[layer]!, fixture.width)]).toEqual(fixture.kept[name]![layer]);
      }
    });
  });
}

async function sweep(
  { model: name, sequences }: ReferenceScores,
  criteria: ReferenceScoresOptions["criteria"],
): Promise<ReadonlyMap<string, readonly Float64Array[]>> {
  const checkpoint = await openCheckpoint(fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url)));
  const student = await llamaFamily.load(checkpoint, llamaFamily.parseConfig(checkpoint.config));
  const samples = sequences.map((ids, i) => ({ ids: Int32Array.from(ids), document: `${i}`, offset: 0 }));
  const made = new Map(Object.entries(criteria).map(([key, create]) => [key, create()]));
  try {
    return await calibrationSweep({ student, samples, criteria: made, progress: silentProgress });
  } finally {
    student.dispose();
  }
}
