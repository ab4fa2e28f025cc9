import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { openSafetensors } from "@sdmprune/model-io";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  forwardHidden,
  generate,
  headLogits,
  llamaFamily,
  type CausalLM,
  type WeightResidency,
} from "@sdmprune/models";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const folder = join(process.env["SDMPRUNE_SHARED"] ?? join(root, "../shared"), "checkpoints/stories260K");
const isThere = existsSync(folder);

interface Golden {
  readonly ids: number[];
  /** Float64 logits after the last token. */
  readonly logits_last_f64: number[];
  readonly logits_rowsum_f64: number[];
  readonly greedy_from_bos: number[];
}

async function load(residency: WeightResidency): Promise<CausalLM> {
  const file = await openSafetensors(readFileSync(join(folder, "model.safetensors")), "model.safetensors");
  const source = { tensorNames: () => file.names, info: file.tensor, read: file.read };
  const config = llamaFamily.parseConfig(JSON.parse(readFileSync(join(folder, "config.json"), "utf8")));
  return llamaFamily.load(source, config, { residency });
}

describe.skipIf(!isThere).each(["resident", "streamed"] as const)(
  "stories260K, %s (skipped unless it is in ../shared or SDMPRUNE_SHARED)",
  (residency) => {
    const golden = isThere
      ? (JSON.parse(readFileSync(join(folder, "golden.json"), "utf8")) as Golden)
      : undefined!;
    let model: CausalLM;

    beforeAll(async () => {
      await activateCpuBackend();
      model = await load(residency);
    });
    afterAll(() => model.dispose());

    it("gives the float64 logits of the reference within 1e-4", async () => {
      const hidden = await forwardHidden(model, Int32Array.from(golden.ids), 1);
      const logits = await headLogits(model.head, hidden);
      const values = await logits.data();
      const vocabSize = model.config.vocabSize;
      const last = values.slice(-vocabSize);
      const worst = Math.max(...golden.logits_last_f64.map((expected, v) => Math.abs(expected - last[v]!)));
      expect(worst).toBeLessThan(1e-4);
      golden.logits_rowsum_f64.forEach((expected, t) => {
        const sum = Array.from(values.slice(t * vocabSize, (t + 1) * vocabSize)).reduce((a, b) => a + b, 0);
        expect(Math.abs(sum - expected)).toBeLessThan(1e-2);
      });
      tf.dispose([hidden, logits]);
    });

    it("continues the BOS token greedily by the reference's 120 tokens", async () => {
      const [bos, ...expected] = golden.greedy_from_bos;
      const { ids, stopReason } = await generate(model, [bos!], { maxTokens: expected.length });
      expect(ids).toEqual(expected);
      expect(stopReason).toBe("length");
    });
  },
);
