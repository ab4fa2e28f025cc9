import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { tinyModel } from "../test/tiny-model.js";
import { locateNonFinite } from "./locate-non-finite.js";

describe("locateNonFinite", () => {
  beforeAll(activateCpuBackend);

  it.each([
    ["model.embed_tokens.weight", "the embedding"], // its last row: token 257
    ["model.layers.0.post_attention_layernorm.weight", "layer 0"],
    ["model.layers.1.self_attn.o_proj.weight", "layer 1"],
    ["model.norm.weight", undefined],
  ])("finds what a NaN in %s spoils first", async (spoil, place) => {
    const before = tf.memory().numTensors;
    const model = await tinyModel({ spoil });
    expect(await locateNonFinite(model, Int32Array.of(3, 257, 8))).toBe(place);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
