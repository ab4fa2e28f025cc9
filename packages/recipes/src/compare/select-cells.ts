import { UsageError } from "@sdmprune/core";
import type { Cell, ScoreCell, Subject, SubjectCell } from "./cells.js";

/**
 * The cells whose id fits a pattern, and those that they cannot do without: the scores and the models that they are
 * about. Scores are taken of the chosen methods only.
 *
 * @param only - `*` stands for anything. Without one, all cells.
 * @throws {UsageError} If no cell fits.
 */
export function selectCells(cells: readonly Cell[], only: string | undefined): readonly Cell[] {
  if (only === undefined) return cells;
  const pattern = new RegExp(`^${only.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
  const chosen = new Set(cells.filter(({ id }) => pattern.test(id)));
  if (chosen.size === 0) {
    throw new UsageError(
      `only: expected a pattern that some cell fits, such as "${cells[0]!.id}", got "${only}". --list shows them all.`,
    );
  }
  const subjects = [...chosen]
    .filter((cell): cell is SubjectCell => cell.kind !== "score")
    .map(({ subject }) => subject);
  return cells.flatMap((cell): Cell[] => {
    if (chosen.has(cell)) return [cell];
    if (cell.kind === "score") return neededScores(cell, subjects);
    const makes = cell.kind === "prune" || cell.kind === "recover";
    return makes && subjects.some(({ id }) => isFrom(id, cell.subject)) ? [cell] : [];
  });
}

/** Whether a subject is this one, or a recovery of it. */
export function isFrom(id: string, { id: origin }: Subject): boolean {
  return id === origin || id.startsWith(`${origin}/`);
}

function neededScores(cell: ScoreCell, subjects: readonly Subject[]): ScoreCell[] {
  const wanted = cell.wanted.filter(({ variant, ratio }) =>
    subjects.some(
      (subject) =>
        subject.seed === cell.seed && subject.variant?.label === variant.label && subject.ratio === ratio,
    ),
  );
  return wanted.length > 0 ? [{ ...cell, wanted }] : [];
}
