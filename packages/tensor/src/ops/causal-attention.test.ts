import { describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, expectValues, tensor, useCpuBackend } from "../../test/cpu-backend.js";
import { randomValues, vectorJacobianProduct } from "../../test/finite-difference.js";
import { attention64, type AttentionShape } from "../../test/float64-reference.js";
import { causalAttention, causalAttentionBackward } from "./causal-attention.js";

useCpuBackend();

function randomCase(shape: AttentionShape) {
  const { B, T, S, Nq, Nkv, D } = shape;
  const q = randomValues("q", B * T * Nq * D);
  const k = randomValues("k", B * S * Nkv * D);
  const v = randomValues("v", B * S * Nkv * D);
  const dOut = randomValues("dOut", q.length);
  const tensors = {
    q: tensor<tf.Tensor4D>(q, [B, T, Nq, D]),
    k: tensor<tf.Tensor4D>(k, [B, S, Nkv, D]),
    v: tensor<tf.Tensor4D>(v, [B, S, Nkv, D]),
    dOut: tensor<tf.Tensor4D>(dOut, [B, T, Nq, D]),
  };
  return { q, k, v, dOut, tensors };
}

describe("causalAttention", () => {
  it("averages the values seen so far when the keys are equal", () => {
    const q = tf.ones<tf.Rank.R4>([1, 3, 1, 1]);
    const v = tf.tensor4d([6, 0, 3], [1, 3, 1, 1]);
    expectValues(causalAttention(q, q, v, { scale: 1 }), [6, 3, 3]);
  });

  it.each<[string, AttentionShape]>([
    ["one key head per query head", { B: 2, T: 4, S: 4, Nq: 2, Nkv: 2, D: 3 }],
    ["grouped heads", { B: 2, T: 3, S: 3, Nq: 6, Nkv: 2, D: 2 }],
    ["one key head for all", { B: 1, T: 3, S: 3, Nq: 3, Nkv: 1, D: 4 }],
    ["keys of a cache before the queries", { B: 1, T: 2, S: 5, Nq: 4, Nkv: 2, D: 3 }],
    ["one query after a cache", { B: 2, T: 1, S: 4, Nq: 2, Nkv: 1, D: 3 }],
  ])("has the gradients of finite differences with %s", async (_, shape) => {
    await expectNoLeak(() => {
      const { q, k, v, dOut, tensors: t } = randomCase(shape);
      const scale = 0.7;
      const out = causalAttention(t.q, t.k, t.v, { scale });
      const { dq, dk, dv } = causalAttentionBackward(t.q, t.k, t.v, out, t.dOut, { scale });
      expectValues(out, attention64(q, k, v, shape, scale));
      const vjp = vectorJacobianProduct;
      expectValues(dq, vjp((x) => attention64(x, k, v, shape, scale), q, dOut)); // prettier-ignore
      expectValues(dk, vjp((x) => attention64(q, x, v, shape, scale), k, dOut)); // prettier-ignore
      expectValues(dv, vjp((x) => attention64(q, k, x, shape, scale), v, dOut)); // prettier-ignore
      tf.dispose(Object.values(t));
    });
  });

  it("adds a bias that differs per head and key, forwards and backwards", async () => {
    await expectNoLeak(() => {
      const shape = { B: 2, T: 3, S: 4, Nq: 4, Nkv: 2, D: 2 };
      const { q, k, v, dOut, tensors: t } = randomCase(shape);
      const values = randomValues("bias", 4 * 4); // [1, Nq, 1, S], as for alibi
      const bias = tensor<tf.Tensor4D>(values, [1, 4, 1, 4]);
      const at = (_b: number, h: number, _i: number, j: number): number => values[h * 4 + j]!;
      const out = causalAttention(t.q, t.k, t.v, { scale: 1, bias });
      const { dq, dk, dv } = causalAttentionBackward(t.q, t.k, t.v, out, t.dOut, { scale: 1, bias });
      expectValues(out, attention64(q, k, v, shape, 1, at));
      const vjp = vectorJacobianProduct;
      expectValues(dq, vjp((x) => attention64(x, k, v, shape, 1, at), q, dOut)); // prettier-ignore
      expectValues(dk, vjp((x) => attention64(q, x, v, shape, 1, at), k, dOut)); // prettier-ignore
      expectValues(dv, vjp((x) => attention64(q, k, x, shape, 1, at), v, dOut)); // prettier-ignore
      tf.dispose([...Object.values(t), bias]);
    });
  });

  it("hides a key whose bias is -1e9, and stays finite where it hides all of them", () => {
    const q = tf.ones<tf.Rank.R4>([1, 2, 1, 1]);
    const v = tf.tensor4d([6, 2], [1, 2, 1, 1]);
    const hidden = tf.tensor4d([-1e9, 0], [1, 1, 1, 2]);
    const out = causalAttention(q, q, v, { scale: 1, bias: hidden });
    expectValues(out, [6, 2]); // the first query sees nothing but the hidden key
  });

  it("says what does not fit", () => {
    const heads = (T: number, N: number): tf.Tensor4D => tf.ones([1, T, N, 2]);
    expect(() => causalAttention(heads(3, 2), heads(2, 2), heads(2, 2), { scale: 1 })).toThrow(
      "causalAttention: k must hold at least the T=3 keys of q, got S=2.",
    );
    expect(() => causalAttention(heads(2, 6), heads(2, 4), heads(2, 4), { scale: 1 })).toThrow(
      "causalAttention: num_key_value_heads (4) must divide num_attention_heads (6).",
    );
    expect(() => causalAttention(heads(2, 2), heads(2, 2), heads(3, 2), { scale: 1 })).toThrow(
      "causalAttention: v must have shape [B, S, Nkv, D] with B=1, S=2, Nkv=2, D=2, got [1, 3, 2, 2].",
    );
    const bias = tf.zeros<tf.Rank.R4>([1, 1, 2, 3]);
    expect(() => causalAttention(heads(2, 2), heads(2, 2), heads(2, 2), { scale: 1, bias })).toThrow(
      "causalAttention: bias must be broadcastable to [B, Nq, T, S] = [1, 2, 2, 2], got [1, 1, 2, 3].",
    );
  });
});
