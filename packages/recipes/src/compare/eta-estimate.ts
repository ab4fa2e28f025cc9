import { formatDuration } from "../format-duration.js";
import type { CellKind } from "./cells.js";

/** How long the cells that are left will take, by the mean of those of their kind that have run. */
export class EtaEstimate {
  readonly #left = new Map<CellKind, number>();
  readonly #ran = new Map<CellKind, { count: number; seconds: number }>();

  /** @param numWorkers - How many run at the same time. */
  constructor(
    kinds: readonly CellKind[],
    private readonly numWorkers = 1,
  ) {
    for (const kind of kinds) this.#left.set(kind, (this.#left.get(kind) ?? 0) + 1);
  }

  finish(kind: CellKind, seconds: number): void {
    const ran = this.#ran.get(kind) ?? { count: 0, seconds: 0 };
    this.#ran.set(kind, { count: ran.count + 1, seconds: ran.seconds + seconds });
    this.skip(kind);
  }

  /** A cell will not run. */
  skip(kind: CellKind): void {
    this.#left.set(kind, this.#left.get(kind)! - 1);
  }

  /** Seconds left, and whether kinds are left of which none has run. */
  estimate(): { readonly seconds: number; readonly isWhole: boolean } {
    let seconds = 0;
    let isWhole = true;
    for (const [kind, count] of this.#left) {
      if (count === 0) continue;
      const ran = this.#ran.get(kind);
      if (ran) seconds += (count * ran.seconds) / ran.count;
      else isWhole = false;
    }
    return { seconds: seconds / this.numWorkers, isWhole };
  }

  /** `, about 3 min left`; nothing if nothing is left. */
  text(): string {
    const { seconds, isWhole } = this.estimate();
    if (seconds === 0) return "";
    return `, ${isWhole ? "about" : "at least"} ${formatDuration(seconds)} left`;
  }
}
