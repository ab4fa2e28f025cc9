import type { Doc } from "../task.js";

/**
 * Brings `{ question: { stem, choices: [{ text, label }] } }`, the shape of AI2's own files, into the hub's:
 * the stem in the column `stemColumn`, and `choices: { text: [], label: [] }`.
 */
export function reshapeQuestion(row: Doc, stemColumn: string): Doc {
  const { question, ...rest } = row;
  if (typeof question !== "object" || question === null) return row;
  const { stem, choices } = question as { stem?: unknown; choices?: unknown };
  if (!Array.isArray(choices)) return { ...rest, [stemColumn]: stem, choices };
  const list = choices as readonly { text?: unknown; label?: unknown }[];
  return {
    ...rest,
    [stemColumn]: stem,
    choices: { text: list.map(({ text }) => text), label: list.map(({ label }) => label) },
  };
}
