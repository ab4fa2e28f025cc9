import { beforeAll, describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, expectValues, tensor, useCpuBackend } from "../../test/cpu-backend.js";
import { randomValues, vectorJacobianProduct } from "../../test/finite-difference.js";
import { linear64, softmax64 } from "../../test/float64-reference.js";
import { LOSS_CASE } from "../../test/golden-vectors.js";
import type { LanguageModelHead } from "./language-model-head.js";
import { languageModelLoss, type LanguageModelLossOptions } from "./language-model-loss.js";
import type { LossSpec } from "./loss-spec.js";

useCpuBackend();

function headOf(weight: tf.Tensor2D, chunkSize: number): LanguageModelHead {
  return {
    vocabSize: weight.shape[0],
    chunkSize,
    chunk: (start, end) => tf.slice(weight, [start, 0], [end - start, -1]),
  };
}

/** Hidden states that are the logits themselves, through a head that is the identity. */
function identityCase(chunkSize: number) {
  const eye = tf.eye(4);
  return {
    hidden: tensor<tf.Tensor2D>(LOSS_CASE.logits, [3, 4]),
    head: headOf(eye, chunkSize),
    teacher: { hidden: tensor<tf.Tensor2D>(LOSS_CASE.teacherLogits, [3, 4]), head: headOf(eye, chunkSize) },
    ids: Int32Array.from(LOSS_CASE.ids),
    batch: 1,
    needGradient: true,
    dispose: () => tf.dispose([eye]),
  };
}

describe("languageModelLoss on the golden vectors", () => {
  it.each(LOSS_CASE.blends.flatMap((golden) => [4, 3, 1].map((chunkSize) => ({ chunkSize, ...golden }))))(
    "blends with alpha $alpha and tau $tau in chunks of $chunkSize",
    async ({ chunkSize, alpha, tau, ...golden }) => {
      await expectNoLeak(async () => {
        const { dispose, ...options } = identityCase(chunkSize);
        const result = await languageModelLoss({ ...options, loss: { kind: "blend", alpha, tau } });
        expect(result.ce).toBeCloseTo(golden.ce, 6);
        expect(result.kd).toBeCloseTo(golden.kd, 6);
        expect(result.loss).toBeCloseTo(golden.loss, 6);
        const rowSums = tf.sum(result.dHidden!, 1);
        expectValues(rowSums, [0, 0, 0], 1e-7);
        expectValues(result.dHidden!, golden.gradient, 1e-7);
        tf.dispose([options.hidden, options.teacher.hidden]);
        dispose();
      });
    },
  );

  it.each([4, 3, 1])("takes the entropy in chunks of %i", async (chunkSize) => {
    await expectNoLeak(async () => {
      const { dispose, ...options } = identityCase(chunkSize);
      const result = await languageModelLoss({ ...options, loss: { kind: "entropy" } });
      expect(result.loss).toBeCloseTo(LOSS_CASE.entropy.loss, 6);
      expectValues(result.dHidden!, LOSS_CASE.entropy.gradient, 1e-7);
      tf.dispose([options.hidden, options.teacher.hidden]);
      dispose();
    });
  });
});

describe("languageModelLoss", () => {
  const [B, T, H, V, teacherH] = [2, 4, 3, 7, 2];
  const hidden = randomValues("hidden", B * T * H);
  const weight = randomValues("weight", V * H);
  const teacherLogits = linear64(
    randomValues("teacher hidden", B * T * teacherH),
    randomValues("teacher weight", V * teacherH),
    teacherH,
  );
  const ids = Int32Array.of(3, 0, 6, 6, 1, 5, 2, 0);
  const ignoreMask = Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 1);
  let options: Omit<LanguageModelLossOptions, "loss">;

  beforeAll(() => {
    options = {
      hidden: tensor(hidden, [B * T, H]),
      head: headOf(tensor(weight, [V, H]), 3),
      teacher: {
        hidden: tensor(randomValues("teacher hidden", B * T * teacherH), [B * T, teacherH]),
        head: headOf(tensor(randomValues("teacher weight", V * teacherH), [V, teacherH]), 3),
      },
      ids,
      batch: B,
    };
  });

  /** The loss by its definition, in float64. */
  function loss64(logits: Float64Array, loss: LossSpec, mask?: Uint8Array): number {
    const q = softmax64(logits, V);
    const p = loss.kind === "blend" ? softmax64(teacherLogits, V, loss.tau) : q;
    const [ce, kl, entropy]: number[][] = [[], [], []];
    for (let n = 0; n < B * T; n++) {
      if (n % T < T - 1 && !mask?.[n + 1]) ce!.push(-Math.log(q[n * V + ids[n + 1]!]!));
      if (mask?.[n]) continue;
      const row = (f: (i: number) => number): number =>
        Array.from({ length: V }, (_, v) => f(n * V + v)).reduce((a, b) => a + b);
      kl!.push(row((i) => p[i]! * Math.log(p[i]! / q[i]!)));
      entropy!.push(row((i) => -q[i]! * Math.log(q[i]!)));
    }
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
    if (loss.kind === "entropy") return mean(entropy!);
    return loss.kind === "blend" ? (1 - loss.alpha) * mean(ce!) + loss.alpha * mean(kl!) : mean(ce!);
  }

  describe.each<[string, LossSpec]>([
    ["cross-entropy", { kind: "cross-entropy" }],
    ["a blend", { kind: "blend", alpha: 0.4, tau: 0.5 }],
    ["a pure comparison", { kind: "blend", alpha: 1, tau: 2 }],
    ["the entropy", { kind: "entropy" }],
  ])("of %s", (_, loss) => {
    it.each([
      ["all tokens", undefined],
      ["the tokens that are not ignored", ignoreMask],
    ])("has value and gradients of the definition over %s", async (_, mask) => {
      await expectNoLeak(async () => {
        const headGradient = new Float64Array(V * H);
        const result = await languageModelLoss({
          ...options,
          loss,
          ignoreMask: mask,
          needGradient: true,
          onHeadGradient: (start, end, gradient) => {
            expect(gradient.shape).toEqual([end - start, H]);
            headGradient.set(gradient.dataSync(), start * H);
          },
        });
        const one = Float64Array.of(1);
        const of = (x: Float64Array, w: Float64Array): Float64Array =>
          Float64Array.of(loss64(linear64(x, w, H), loss, mask));
        expect(result.loss).toBeCloseTo(of(hidden, weight)[0]!, 6);
        expect(result.numTokens).toBe(mask ? 4 : 6);
        expectValues(result.dHidden!, vectorJacobianProduct((x) => of(x, weight), hidden, one), 1e-6); // prettier-ignore
        const byWeight = vectorJacobianProduct((w) => of(hidden, w), weight, one);
        headGradient.forEach((value, i) => expect(value).toBeCloseTo(byWeight[i]!, 6));
      });
    });

    it("does not depend on the size of the chunks", async () => {
      const base = options.head;
      const results = [];
      for (const chunkSize of [1, 2, 5, 100]) {
        const head = { vocabSize: V, chunkSize, chunk: base.chunk };
        results.push(await languageModelLoss({ ...options, loss, head, needGradient: true }));
      }
      const [first, ...others] = results;
      for (const other of others) {
        expect(other.loss).toBeCloseTo(first!.loss, 6);
        expectValues(other.dHidden!, first!.dHidden!.dataSync(), 1e-6);
      }
      tf.dispose(first!.dHidden!);
    });

    it("gives the same bits whether logits are kept or computed anew", async () => {
      const kept = await languageModelLoss({ ...options, loss, needGradient: true });
      const anew = await languageModelLoss({ ...options, loss, needGradient: true, keepLogitsBytes: 0 });
      expect(anew.loss).toBe(kept.loss);
      expect(anew.dHidden!.dataSync()).toEqual(kept.dHidden!.dataSync());
      tf.dispose([kept.dHidden!, anew.dHidden!]);
    });

    it("needs no gradient to know the value", async () => {
      await expectNoLeak(async () => {
        const result = await languageModelLoss({ ...options, loss });
        expect(result.loss).toBeCloseTo(loss64(linear64(hidden, weight, H), loss), 6);
        expect(result.dHidden).toBeUndefined();
      });
    });
  });

  it("gives every token's log-probability, and none to the first of a sequence", async () => {
    const { tokenLogProbs, ce } = await languageModelLoss({ ...options, loss: { kind: "cross-entropy" } });
    const q = softmax64(linear64(hidden, weight, H), V);
    ids.forEach((id, n) => {
      if (n % T === 0) expect(tokenLogProbs[n]).toBeNaN();
      else expect(tokenLogProbs[n]).toBeCloseTo(Math.log(q[(n - 1) * V + id]!), 6);
    });
    const known = tokenLogProbs.filter((value) => !Number.isNaN(value));
    expect(ce).toBeCloseTo(-known.reduce((a, b) => a + b) / 6, 12);
  });

  it("is 0 with gradient 0 against a teacher that agrees, at temperature 1", async () => {
    const teacher = { hidden: options.hidden, head: options.head };
    const loss = { kind: "blend", alpha: 1, tau: 1 } as const;
    const result = await languageModelLoss({ ...options, loss, teacher, needGradient: true });
    expect(result.loss).toBeCloseTo(0, 6);
    expectValues(result.dHidden!, new Float64Array(B * T * H), 1e-7);
  });

  it("equals cross-entropy when alpha is 0, teacher or not", async () => {
    const loss = { kind: "blend", alpha: 0, tau: 0.2 } as const;
    const plain = await languageModelLoss({
      ...options,
      loss: { kind: "cross-entropy" },
      needGradient: true,
    });
    for (const teacher of [options.teacher, undefined]) {
      const blend = await languageModelLoss({ ...options, teacher, loss, needGradient: true });
      expect(blend.loss).toBe(plain.loss);
      expectValues(blend.dHidden!, plain.dHidden!.dataSync(), 1e-7);
    }
    tf.dispose(plain.dHidden!);
  });

  it("stays finite with logits of thousands", async () => {
    const far = tf.tensor2d([4000, -4000, 3000, -4000, 4000, 0], [2, 3]);
    const head = headOf(tf.eye(3), 2);
    const result = await languageModelLoss({
      hidden: far,
      head,
      ids: Int32Array.of(0, 2),
      batch: 1,
      loss: { kind: "cross-entropy" },
      needGradient: true,
    });
    expect(result.loss).toBe(1000);
    expectValues(result.dHidden!, [1, 0, -1, 0, 0, 0]);
  });

  it.each([NaN, Infinity])("does not hide a logit of %d", async (logit) => {
    const hidden = tf.tensor2d([0, logit, 1, 0, 0, 0], [2, 3]);
    const head = headOf(tf.eye(3), 2);
    const ids = Int32Array.of(0, 2);
    const result = await languageModelLoss({ hidden, head, ids, batch: 1, loss: { kind: "cross-entropy" } });
    expect(result.loss).toBeNaN();
  });

  it("frees everything when the head fails half-way", async () => {
    await expectNoLeak(async () => {
      let calls = 0;
      const chunk: LanguageModelHead["chunk"] = (start, end) => {
        if (++calls === 5) throw new Error("disk on fire");
        return options.head.chunk(start, end);
      };
      const run = languageModelLoss({
        ...options,
        head: { ...options.head, chunk },
        loss: { kind: "blend", alpha: 0.5, tau: 1 },
        needGradient: true,
      });
      await expect(run).rejects.toThrow("disk on fire");
    });
  });

  it.each<[string, Partial<LanguageModelLossOptions>, string]>([
    ["ids that do not divide", { batch: 3 }, "ids must hold batch * length ids, got 8 ids for a batch of 3."],
    [
      "ids beyond the vocabulary",
      { ids: Int32Array.of(0, 0, 0, 7, 0, 0, 0, 0) },
      "ids[3] must be from 0 to 6, got 7.",
    ],
    [
      "another number of rows",
      { ids: Int32Array.of(0, 1), batch: 1 },
      "hidden must have shape [N, H] with N=2, got [8, 3].",
    ],
    ["alpha above 1", { loss: { kind: "blend", alpha: 1.5, tau: 1 } }, "alpha must be in [0, 1], got 1.5."],
    ["tau of 0", { loss: { kind: "blend", alpha: 0.5, tau: 0 } }, "tau must be positive, got 0."],
    [
      "a missing teacher",
      { loss: { kind: "blend", alpha: 0.5, tau: 1 }, teacher: undefined },
      "a blend with alpha 0.5 needs a teacher, got none.",
    ],
    ["one token per sequence", { batch: 8 }, "cross-entropy needs a predicted token"],
    ["a mask of another length", { ignoreMask: [1, 0] }, "ignoreMask must have one entry per id (8), got 2."],
  ])("refuses %s", async (_, wrong, message) => {
    await expectNoLeak(async () => {
      const run = languageModelLoss({ ...options, loss: { kind: "cross-entropy" }, ...wrong });
      await expect(run).rejects.toThrow(`languageModelLoss: ${message}`);
    });
  });
});
